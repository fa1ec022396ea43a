"""Tables as CSV whose cells no spreadsheet takes as formulas."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from collapse.files.atomic import atomic_write

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table without its index as CSV, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write.
    table : pandas.DataFrame
        The table.

    Raises
    ------
    CollapseError
        If the file cannot be written.
    """
    with atomic_write(path) as file:
        file.write(csv_text(table).encode())


def csv_text(table: "pd.DataFrame") -> str:
    """Return a table without its index as CSV, no cell of which a spreadsheet would take as a formula.

    Parameters
    ----------
    table : pandas.DataFrame
        The table.

    Returns
    -------
    str
        The text; a text cell that begins with =, +, -, @, a tab or a carriage return has ' before it.
    """
    texts = table.select_dtypes(exclude="number").columns
    safe = table.assign(**{name: table[name].map(_no_formula) for name in texts})
    # Writers whose lines end in a line feed do not quote a carriage return, which ends a line for readers.
    returns = any(safe[name].map(lambda cell: isinstance(cell, str) and "\r" in cell).any() for name in texts)
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
    text: str = safe.to_csv(index=False, lineterminator="\n", quoting=quoting)
    return text


def plain_cells(table: "pd.DataFrame") -> "pd.DataFrame":
    """Undo what `csv_text` put before cells."""
    texts = table.select_dtypes(exclude="number").columns
    return table.assign(**{name: table[name].map(_as_it_was) for name in texts})


def _no_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _as_it_was(cell: Any) -> Any:
    quoted = isinstance(cell, str) and cell.startswith("'") and cell[1:].startswith(_FORMULA)
    return cell[1:] if quoted else cell
