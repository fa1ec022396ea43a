"""Tables of text that fit into a terminal."""

import textwrap
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from collapse.cli.output import echo_coloured, terminal_width
from collapse.printable import clipped

if TYPE_CHECKING:
    import pandas as pd

_GAP = "  "
_COLOURS = {"collapsed": "red", "partly": "yellow", "dominated": "yellow", "spread": "green"}
"""Colours of verdicts, by their first word."""
_NAMES = ("field", "column", "label")
"""Columns of names, which may be shortened."""
_NAME, _VERDICT = 16, 24
"""Fewest characters that a name is shortened to, and that a verdict is wrapped to."""
_Column = tuple[str, list[str]]
_TEXTS = (
    "column", "data", "field", "front", "interaction", "label", "model", "most frequent", "read as", "reason",
    "segment", "sizes by", "verdict", "within",
)  # fmt: skip
"""Columns that are aligned to the left."""


def echo_table(table: "pd.DataFrame", drop: Sequence[str] = ()) -> None:
    """Print a table that fits into the terminal; see `fitted`."""
    echo_coloured(fitted(table, terminal_width(), drop))


def fitted(table: "pd.DataFrame", width: int | None, drop: Sequence[str] = ()) -> str:
    """Format a table, with columns left out until it is narrow enough.

    Parameters
    ----------
    table : pandas.DataFrame
        Cells as text on one line. The columns of `_TEXTS` are aligned to the left.
    width : int or None
        Most characters of a line; None for any number.
    drop : sequence of str
        Columns that may be left out, the first one first. If that is not enough, names are shortened, and the last
        column continues on the next line, between words.

    Returns
    -------
    str
        The lines. Verdicts are coloured. The last line names the columns that were left out.
    """
    # Names may be repeated, as in comparisons.
    columns = [(str(name), [str(cell) for cell in table.iloc[:, n]]) for n, name in enumerate(table.columns)]
    left_out = []
    for name in drop:
        if width is None or _total(columns) <= width:
            break
        if any(name == each for each, _ in columns):
            left_out.append(name)
            columns = [column for column in columns if column[0] != name]
    if width is not None and _total(columns) > width:
        most = max(_NAME, width // 4)
        columns = [
            (name, [clipped(cell, most) for cell in cells] if name in _NAMES else cells) for name, cells in columns
        ]
    sizes = [_size(column) for column in columns]
    if width is not None and _total(columns) > width:
        sizes[-1] = max(_VERDICT, width - sum(sizes[:-1]) - len(_GAP) * (len(sizes) - 1))
    names = [name for name, _ in columns]
    lines = [
        _line(list(row), names, sizes) for row in (names, *zip(*(cells for _, cells in columns), strict=True))
    ]
    if left_out:
        lines.append(f"(left out at this width: {', '.join(left_out)})")
    return "\n".join(lines)


def _line(cells: list[str], names: list[str], sizes: list[int]) -> str:
    """Align the cells of a row; the last one may take several lines."""
    *first, last = [_aligned(cell, name, size) for cell, name, size in zip(cells, names, sizes, strict=True)]
    parts = textwrap.wrap(cells[-1], sizes[-1], break_long_words=False) or [""]
    if len(parts) == 1:
        parts = [last.rstrip() if names[-1] in _TEXTS else last]
    before = "".join(f"{cell}{_GAP}" for cell in first)
    coloured = [_coloured(part, cells[-1]) if names[-1] == "verdict" else part for part in parts]
    indent = " " * _wide(before)
    return "\n".join((before if n == 0 else indent) + part for n, part in enumerate(coloured)).rstrip()


def _coloured(text: str, verdict: str) -> str:
    colour = _COLOURS.get(verdict.partition(" ")[0].rstrip(":"))
    return click.style(text, fg=colour) if colour else text


def _aligned(cell: str, name: str, size: int) -> str:
    space = " " * (size - _wide(cell))
    return cell + space if name in _TEXTS else space + cell


def _total(columns: Sequence[_Column]) -> int:
    return sum(map(_size, columns)) + len(_GAP) * (len(columns) - 1)


def _size(column: _Column) -> int:
    name, cells = column
    return max(map(_wide, (name, *cells)))


def _wide(text: str) -> int:
    """Return the columns of a terminal that a text takes."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )
