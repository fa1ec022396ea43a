"""The terms of the package: read from ``glossary.md``, which is also a page of the documentation."""

import re
from functools import cache
from importlib.resources import files


@cache
def glossary() -> dict[str, str]:
    """Return the definition of every term.

    Returns
    -------
    dict of str to str
        Terms in the order of the page, with their definitions, one line each.
    """
    text = (files("collapse") / "glossary.md").read_text(encoding="utf-8")
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return dict(re.fullmatch(r"\*\*(.+?)\.\*\* (.+)", part).groups() for part in paragraphs)  # type: ignore[union-attr,misc]
