"""The style of all figures: legible at column width, and safe for colour-blind readers."""

import re
import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.ticker import MaxNLocator

from collapse.analysis.several import NAMES

COLUMN, PAGE = 3.4, 7.0
"""Widths in inches of a column and of a page in a two-column paper."""

_FIELD = 0.1
"""Inches that a field's name takes on an axis with many names."""
_NAMED = 200
"""Most names on an axis."""

CAPTION_LINE, LEGEND_LINE = 0.11, 0.16
"""Heights in inches of a line of the caption and of the legend."""

RC: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "lines.linewidth": 1.0,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.hashsalt": "embedding-collapse",
}

HEAT = "rocket"
"""Dark is low, bright and warm is high; perceptually uniform."""
REFERENCE = "0.45"
"""Grey of everything that is shown for comparison."""


_SPECTRUM_FLOOR = 1e-4
"""The lowest relative singular value on the axis of a spectrum."""
_CHARACTERS_AN_INCH, _HANDLE = 15, 6
"""Characters per inch of a legend's text, and the number of characters that a handle takes."""
_LEFT = 0.6
"""Inches from the left edge of a figure to where a legend begins."""


def legend_above(ax: Axes, handles: Sequence[Artist], *, columns: int) -> None:
    """Put a legend above the axes, where it hides nothing.

    Parameters
    ----------
    ax : Axes
        The axes.
    handles : sequence of Artist
        The entries, each with a label.
    columns : int
        Most columns of the legend. Long labels reduce them, and the longest are wrapped.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    room = int((figure.get_figwidth() - _LEFT) * _CHARACTERS_AN_INCH)
    labels = [wrapped_lines(str(handle.get_label()), room - _HANDLE) for handle in handles]
    longest = max((len(line) for label in labels for line in label.splitlines()), default=0)
    columns = max(1, min(columns, room // (longest + _HANDLE)))
    ax.legend(
        handles=handles,
        labels=labels,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.3,
        ncols=min(len(handles), columns),
    )


def colour_bar(axes: Sequence[Axes], colours: ScalarMappable, *, rows: int, label: str) -> None:
    """Put a colour bar next to all axes, where it moves none of them out of line.

    Parameters
    ----------
    axes : sequence of Axes
        All axes of the figure.
    colours : matplotlib.cm.ScalarMappable
        What the bar explains.
    rows : int
        Rows of axes. The bar is about as long as one.
    label : str
        Its label.
    """
    figure = axes[0].get_figure(root=True)
    assert figure is not None
    figure.colorbar(colours, ax=list(axes), shrink=0.8 / rows, label=label)


def cardinality_axis(ax: Axes, table: pd.DataFrame) -> dict[str, int]:
    """Show fields on the x axis, in the order of cardinalities, and information abundance on the y axis.

    Parameters
    ----------
    ax : Axes
        The axes.
    table : pandas.DataFrame
        A table with the columns ``field`` and ``cardinality``.
    """
    fields = table.drop_duplicates("field").sort_values("cardinality", kind="stable")
    ticks = [f"{row.field}  {row.cardinality:,}" for row in fields.itertuples()]
    step = label_step(len(fields))
    ax.set_xticks(range(0, len(fields), step), ticks[::step], rotation=90)
    ax.set(
        xlabel="field and its cardinality, ascending" + f"; one in {step} is named" * (step > 1),
        ylabel="information abundance",
        xlim=(-0.6, len(fields) - 0.4),
    )
    ax.grid(visible=True, axis="y")
    return {str(field): x for x, field in enumerate(fields["field"])}


def label_step(fields: int) -> int:
    """Return the step between the fields that an axis names: 1 up to some hundreds of fields."""
    return max(1, -(-fields // _NAMED))


def wide_enough(size: tuple[float, float], fields: int) -> tuple[float, float]:
    """Widen a figure so that the names of the fields are legible.

    Parameters
    ----------
    size : (float, float)
        Usual width and height in inches.
    fields : int
        Number of fields on the axis.

    Returns
    -------
    (float, float)
        The same size for up to some dozens of fields.
    """
    return max(size[0], _FIELD * min(fields, _NAMED) + 1), size[1]


def epoch_axis(ax: Axes, *, xlabel: str, ylabel: str) -> None:
    """Show whole epochs on the x axis."""
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(visible=True)


def spectrum_limits(sigma_normalised: pd.Series) -> tuple[float, float]:
    """Return limits for a logarithmic axis of sigma_k / sigma_1, down to the smallest value above 0."""
    positive = sigma_normalised[sigma_normalised > 0]
    # Tables of zeros have nothing to show.
    least = float(positive.min()) if len(positive) else 1.0
    return max(least / 1.5, _SPECTRUM_FLOOR), 1.3


def colours(count: int) -> list[tuple[float, float, float]]:
    """Return colours that colour-blind readers can distinguish.

    Returns
    -------
    list of (float, float, float)
        Red, green and blue, from 0 to 1: a palette of ten distinct colours, or a perceptual ramp for more.
    """
    palette = sns.color_palette("colorblind") if count <= 10 else sns.color_palette("viridis", count)
    return [(float(r), float(g), float(b)) for r, g, b in palette[:count]]


def model_name(name: object) -> str:
    """Format a model's name and settings: ``DCNv2, regularised=lambda``. Unknown names are unchanged."""
    model, *settings = (part.strip() for part in str(name).split(","))
    return ", ".join([NAMES.get(model, model), *settings])


def wrapped(caption: str, width: float) -> str:
    """Wrap every line of a caption.

    Returns
    -------
    str
        Lines that fit the width at the caption's font size.
    """
    return wrapped_lines(caption, int(20 * width))


def wrapped_lines(text: str, characters: int) -> str:
    """Wrap every line of a text to a number of characters, and to lines that are about equally long.

    Lines break at spaces, but not within ``10 x 4``, ``K = 4`` or ``95 %``; names that are too long for a line
    also break between their settings, and anywhere at last.
    """
    return "\n".join(_balanced(line, characters) for line in text.splitlines())


_SPACES = re.compile(r"((?<! [x=])\s+(?![x=%](?:\s|$)))")
_SPACES_AND_SETTINGS = re.compile(rf"{_SPACES.pattern}|(?<=[,=])")


def _balanced(line: str, characters: int) -> str:
    """Wrap a line to as few lines as possible, and these to the smallest width that needs no more of them."""
    for breaks in (_SPACES, _SPACES_AND_SETTINGS):
        lines = _filled(line, characters, breaks)
        longest = max(map(len, lines), default=0)
        if longest <= characters:
            narrower = (_filled(line, width, breaks) for width in range(1, longest))
            lines = next((each for each in narrower if len(each) == len(lines)), lines)
            return "\n".join(lines)
    return textwrap.fill(line, characters)


def _filled(line: str, characters: int, breaks: re.Pattern[str]) -> list[str]:
    wrapper = textwrap.TextWrapper(characters, break_long_words=False)
    wrapper.wordsep_re = breaks
    return wrapper.wrap(line)
