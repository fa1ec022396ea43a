"""Names and paths from files, as text that is safe to print on a terminal."""

import os
from collections.abc import Iterable


def printable(text: str) -> str:
    """Escape control characters and other unprintable characters, except line feeds and tabs.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The text with escapes; printable text is unchanged.
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in "\n\t" else sign.encode("unicode_escape").decode() for sign in text
    )


def one_line(text: str) -> str:
    """Escape a name so that it is printable and stays on one line."""
    return printable(text).replace("\n", r"\n").replace("\t", r"\t")


def clipped(text: str, characters: int = 60) -> str:
    """Shorten a name or cell for a printed table to its beginning and end."""
    text = one_line(text if len(text) <= 2 * characters else text[:characters] + text[-characters:])
    begin = characters // 2
    return text if len(text) <= characters else f"{text[:begin]}..{text[begin + 2 - characters :]}"


def shown_name(name: str) -> str:
    """Escape a name for a printed table, and shorten it if it is longer than a line."""
    return clipped(name, 120)


def name_column(names: Iterable[str]) -> list[str]:
    """Format names as a column of equal width."""
    shown = list(map(shown_name, names))
    width = max(map(len, shown), default=0)
    return [name.ljust(width) for name in shown]


def path_text(path: str | os.PathLike[str]) -> str:
    """Return a path as text, with escapes for bytes that are not text."""
    return os.fsencode(path).decode(errors="backslashreplace")


def counted(number: int, what: str) -> str:
    """Return a number of things: ``1 run``, ``2 runs``."""
    return f"{number} {what}" + "s" * (number != 1)
