"""The documentation site: ``sphinx-build docs site``."""

import os
from importlib.metadata import version as installed

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

project = "embedding-collapse"
author = "the embedding-collapse developers"
copyright = f"2026, {author}"  # noqa: A001  the name that Sphinx reads
version = release = installed("embedding-collapse")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_design", "numpydoc"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
# `python docs/make_notebook.py` runs the notebook and stores its outputs.
nb_execution_mode = "off"
numpydoc_show_class_members = False
autodoc_typehints = "none"

exclude_patterns = ["findings-list.md", "flights-list.md"]

html_theme = "furo"
html_title = project
html_favicon = "favicon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["accessible.js"]
# Each page links to its source. Whoever hosts the site sets the address of the repository, for links to edit pages.
html_theme_options = {"top_of_page_buttons": ["view"]}
if repository := os.environ.get("DOCS_REPOSITORY"):
    html_theme_options = {
        "source_repository": repository,
        "source_branch": os.environ.get("DOCS_BRANCH", "main"),
        "source_directory": "docs/",
    }
html_math_renderer = "mathml"


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Render formulas as MathML, which browsers draw without an external script."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
