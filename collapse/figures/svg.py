"""Figures as vector images in a page, which follow the reader's light or dark mode."""

import base64
import re
from io import BytesIO

import matplotlib as mpl
import matplotlib.style

from collapse.figures import style
from collapse.figures.display import Display

_INK = {
    **dict.fromkeys(("#000000", "#262626", "#333333"), "var(--ink)"),
    "#737373": "var(--grey)",
    "#e6e6e6": "var(--line)",
}
_COLOURS = (
    "<style>:root{--ink:#1b1b1b;--grey:#6a6a6a;--line:#e3e3e3}"
    "@media (prefers-color-scheme:dark){:root{--ink:#e8e8e8;--grey:#a5a5a5;--line:#3a3a3a}}"
    "text{fill:var(--ink)}</style>"
)


def picture(display: Display) -> str:
    """Draw a figure.

    Returns
    -------
    str
        A ``data:`` URL of an SVG image whose text is converted to outlines, so that it looks the same on every
        machine. It is a separate document, so its ids cannot clash with those of the page.
    """
    figure = display.plot().figure_
    assert figure is not None
    content = BytesIO()
    with mpl.style.context(style.RC):
        # Leave out the date, so that equal numbers give equal images.
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    text = content.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"#[0-9a-f]{6}", lambda found: _INK.get(found[0], found[0]), text)
    # Outlines without a colour would be black.
    text = re.sub(r"(<svg[^>]*)>", rf'\1 fill="var(--ink)">{_COLOURS}', text, count=1)
    return f"data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()}"
