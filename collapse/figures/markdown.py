"""Tables in Markdown."""

import re
from typing import TYPE_CHECKING

from collapse.printable import one_line

if TYPE_CHECKING:
    import pandas as pd

# Within a word an underscore is no mark, and names of fields have many.
_MARKS = re.compile(r"[\\|`*<\[]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)")


def markdown_table(table: "pd.DataFrame") -> str:
    """Write a table in Markdown, a row a line; marks in cells are escaped.

    Parameters
    ----------
    table : pandas.DataFrame
        What is written, and its column names.

    Returns
    -------
    str
        The lines, without one that ends them.
    """
    rows = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join(
        "| " + " | ".join(_MARKS.sub(r"\\\g<0>", one_line(str(cell))) for cell in row) + " |" for row in rows
    )
