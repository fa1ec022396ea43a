"""CSV whose cells a spreadsheet never takes for formulas."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from collapse.files.atomic import atomic_write

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV without its index. A failure leaves the old file unchanged.

    Raises
    ------
    CollapseError
        If the file cannot be written.
    """
    with atomic_write(path) as file:
        file.write(csv_text(table).encode())


def csv_text(table: "pd.DataFrame") -> str:
    """Format a table as CSV without its index.

    Returns
    -------
    str
        The text. A text cell that begins with =, +, -, @, a tab or a carriage return gets an apostrophe in front,
        so that a spreadsheet does not take it for a formula.
    """
    texts = table.select_dtypes(exclude="number").columns
    safe = table.assign(**{name: table[name].map(_no_formula) for name in texts})
    # Writers that end lines with a line feed do not quote carriage returns, but readers end a line there.
    returns = any(safe[name].map(lambda cell: isinstance(cell, str) and "\r" in cell).any() for name in texts)
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
    text: str = safe.to_csv(index=False, lineterminator="\n", quoting=quoting)
    return text


def plain_cells(table: "pd.DataFrame") -> "pd.DataFrame":
    """Remove the apostrophes that `csv_text` put in front of cells."""
    texts = table.select_dtypes(exclude="number").columns
    return table.assign(**{name: table[name].map(_as_it_was) for name in texts})


def _no_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _as_it_was(cell: Any) -> Any:
    quoted = isinstance(cell, str) and cell.startswith("'") and cell[1:].startswith(_FORMULA)
    return cell[1:] if quoted else cell
