"""Markdown tables."""

import re
from typing import TYPE_CHECKING

from collapse.printable import one_line

if TYPE_CHECKING:
    import pandas as pd

# An underscore within a word is not markup, and names of fields have many.
_MARKS = re.compile(r"[\\|`*<\[]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)")


def markdown_table(table: "pd.DataFrame") -> str:
    """Format a table in Markdown, one line per row. Markup in cells is escaped.

    Parameters
    ----------
    table : pandas.DataFrame
        The table, including its column names.

    Returns
    -------
    str
        The lines, without a final line break.
    """
    rows = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join(
        "| " + " | ".join(_MARKS.sub(r"\\\g<0>", one_line(str(cell))) for cell in row) + " |" for row in rows
    )
