"""Names from files as a terminal can bear them."""


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
