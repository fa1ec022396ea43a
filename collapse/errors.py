"""The exception for errors that the user can fix."""

import reprlib


class CollapseError(Exception):
    """One sentence on what went wrong, where, and what to do about it.

    The command line prints it and exits with code 2.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or the name of its type if there is none."""
    return str(error).partition("\n")[0] or type(error).__name__


def shortened(value: object, characters: int = 100) -> str:
    """Return the repr of a value, shortened to fit into a sentence."""
    if not isinstance(value, str):
        return reprlib.repr(value)
    if len(value) <= characters:
        return repr(value)
    return f"{value[:characters]!r}.. ({len(value):,} characters)"
