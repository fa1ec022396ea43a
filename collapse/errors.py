"""The one exception that is meant for the person at the terminal."""

import reprlib


class CollapseError(Exception):
    """What went wrong, where, and what to do about it, in one sentence.

    The command line prints it as it is and exits with code 2; nothing was half-written.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of what an error of a library says, or its kind where it says nothing."""
    return str(error).partition("\n")[0] or type(error).__name__


def shortened(value: object, characters: int = 100) -> str:
    """Return the form of a value as text that a sentence can hold: of a long one, the beginning."""
    if not isinstance(value, str):
        return reprlib.repr(value)
    if len(value) <= characters:
        return repr(value)
    return f"{value[:characters]!r}.. ({len(value):,} characters)"
