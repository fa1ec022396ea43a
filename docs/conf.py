"""The documentation site: ``sphinx-build docs site``."""

from importlib.metadata import version as installed

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

project = "embedding-collapse"
author = "the embedding-collapse developers"
version = release = installed("embedding-collapse")

extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
# `python docs/make_notebook.py` runs the notebook and stores its outputs.
nb_execution_mode = "off"
numpydoc_show_class_members = False
autodoc_typehints = "none"

exclude_patterns = ["findings-list.md", "flights-list.md"]

html_theme = "furo"
html_title = project
html_favicon = "favicon.svg"
html_copy_source = False
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
