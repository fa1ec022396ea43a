"""The one exception that is meant for the person at the terminal."""


class CollapseError(Exception):
    """What went wrong, where, and what to do about it, in one sentence.

    The command line prints it as it is and exits with code 2; nothing was half-written.
    """
