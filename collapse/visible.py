"""Names from files, and paths, as text that a terminal can bear."""

import os
from pathlib import Path


def visible(text: str) -> str:
    """Write control characters, and others that do not print, as escapes; line feeds and tabs stay.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The same where all of it prints.
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in "\n\t" else sign.encode("unicode_escape").decode() for sign in text
    )


def path_text(path: Path) -> str:
    """Write a path, which need not be text, as text: bytes that are none as escapes."""
    return os.fsencode(path).decode(errors="backslashreplace")
