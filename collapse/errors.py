"""The one exception that is meant for the person at the terminal."""


class CollapseError(Exception):
    """What went wrong, where, and what to do about it, in one sentence.

    The command line prints it as it is and exits with code 2; nothing was half-written.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of what an error of a library says, or its kind where it says nothing."""
    return str(error).partition("\n")[0] or type(error).__name__
