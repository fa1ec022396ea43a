"""Markdown tables."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from collapse.printable import one_line

if TYPE_CHECKING:
    import pandas as pd

# An underscore within a word is not markup, and names of fields have many.
_MARKS = re.compile(r"[\\|`*<\[]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)")
_NUMBER = re.compile(r"[-+]?\d[\d.,]*(e-?\d+)?[x%]?( ± [\d.]+| \(.*\))?")


def markdown_table(table: "pd.DataFrame") -> str:
    """Format a table in Markdown, one line per row, with numbers on the right. Markup in cells is escaped.

    Parameters
    ----------
    table : pandas.DataFrame
        The table, including its column names.

    Returns
    -------
    str
        The lines, without a final line break.
    """
    head = _escaped(table.columns)
    rows = [_escaped(row) for row in table.to_numpy().tolist()]
    columns = list(zip(*rows, strict=True)) or [()] * len(head)
    rule = ["---:" if is_of_numbers(column) else "---" for column in columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def _escaped(cells: Iterable[object]) -> list[str]:
    return [_MARKS.sub(r"\\\g<0>", one_line(str(cell))) for cell in cells]


def is_of_numbers(cells: Sequence[str]) -> bool:
    """Return whether the cells that are not empty are numbers, perhaps with a unit, deviation or interval."""
    filled = [cell for cell in cells if cell not in ("", "nan", "None")]
    return bool(filled) and all(map(_NUMBER.fullmatch, filled))
