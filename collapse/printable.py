"""Names from files, and paths, as text that a terminal can bear."""

import os
from collections.abc import Iterable
from pathlib import Path


def printable(text: str) -> str:
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


def one_line(text: str) -> str:
    """Write a name so that it prints and stays on its line: `printable`, and escapes for line feeds and tabs."""
    return printable(text).replace("\n", r"\n").replace("\t", r"\t")


def clipped(text: str, characters: int = 60) -> str:
    """Write a name or cell for a line of a printed table: of a long one the beginning and the end."""
    text = one_line(text if len(text) <= 2 * characters else text[:characters] + text[-characters:])
    begin = characters // 2
    return text if len(text) <= characters else f"{text[:begin]}..{text[begin + 2 - characters :]}"


def shown_name(name: str) -> str:
    """Write a name for a table that people read: whole, unless it is longer than a line."""
    return clipped(name, 120)


def name_column(names: Iterable[str]) -> list[str]:
    """Write names one below the other: each by `shown_name`, all of one width."""
    shown = list(map(shown_name, names))
    width = max(map(len, shown), default=0)
    return [name.ljust(width) for name in shown]


def path_text(path: Path) -> str:
    """Write a path, which need not be text, as text: bytes that are none as escapes."""
    return os.fsencode(path).decode(errors="backslashreplace")
