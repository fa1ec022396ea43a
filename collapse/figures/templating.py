"""Making HTML pages from the templates of this package."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def page_templates() -> Environment:
    """Return the templates of pages: text is escaped, and what is missing is an error.

    Returns
    -------
    jinja2.Environment
        With the filters ``first_upper`` and ``code``.
    """
    templates = Environment(
        loader=PackageLoader("collapse.figures"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    templates.filters |= {"first_upper": first_upper, "code": _code}
    return templates


def first_upper(text: str) -> str:
    """Begin a sentence with a capital letter, except for a name such as ``ia_normalised``."""
    return text if "_" in text.partition(" ")[0] else text[:1].upper() + text[1:]


def _code(text: str) -> Markup:
    """Return a sentence with text between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704, escaped
