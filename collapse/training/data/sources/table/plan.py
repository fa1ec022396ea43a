"""What the columns of a table are: told by the user, or guessed from its first rows by one rule.

The rule: a column that nothing was said of is numeric if every cell of it that is not missing is a number and at
least one has a fraction; else it is categorical. Whole numbers are categorical because codes, such as of a shop or
a model, look like counts; ``numeric`` says otherwise.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.training.data.sources.table.bins import Bins
from collapse.training.data.sources.table.label import LabelRule, label_rule, unknown_column
from collapse.training.data.text.delimited_file import Reading
from collapse.training.data.text.file import TextFile, check_same_columns
from collapse.training.data.text.open import open_text

SAMPLE_ROWS = 10_000
"""First rows that the plan of a table is guessed from."""
EXAMPLES = 3
"""Values of a column that the plan shows."""

Role = Literal["label", "categorical", "numeric", "left out"]


@dataclass(frozen=True, kw_only=True)
class TableSettings:
    """What is known of a table."""

    label: str
    """The label's column, or a threshold on a number such as ``arr_delay > 15``."""
    positive: str | None = None
    """The value of the label's column that means 1; by default 1 or true."""
    categorical: tuple[str, ...] = ()
    """Columns that are categorical."""
    numeric: tuple[str, ...] = ()
    """Columns of numbers, which are put into bins."""
    drop: tuple[str, ...] = ()
    """Columns that are left out."""
    bins: Bins = field(default_factory=lambda: Bins("quantile", 32.0))
    """How numbers are put into bins."""
    missing: tuple[str, ...] = ()
    """Texts that mean that a cell is missing, beside the empty one."""
    skip_unlabelled: bool = False
    """Whether rows without a label are left out; else they are malformed."""
    reading: Reading = field(default_factory=Reading)
    """How delimited text is read."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column and what is made of it."""

    name: str
    """Its name."""
    role: Role
    """What it is."""
    why: str
    """Who said so, or by what it was guessed."""
    distinct: int
    """How many values it has in the rows looked at, a missing one not counted."""
    examples: tuple[str, ...]
    """Its most frequent values there."""


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """What will be made of a table."""

    files: tuple[TextFile, ...]
    """Its files."""
    settings: TableSettings
    """What was said of it."""
    columns: tuple[Column, ...]
    """Every column in the order of the first file."""
    label: LabelRule
    """When a row's label is 1."""
    rows_looked_at: int
    """The first rows of the first file that the guesses are made from."""

    def named(self, *roles: Role) -> tuple[str, ...]:
        """Return the columns of some roles, in order."""
        return tuple(column.name for column in self.columns if column.role in roles)


def plan_table(paths: Sequence[Path], settings: TableSettings) -> TablePlan:
    """Look at a table's first rows and decide what its columns are.

    Parameters
    ----------
    paths : sequence of Path
        The files, at least one, that are one table in this order.
    settings : TableSettings
        What is known of it.

    Returns
    -------
    TablePlan
        What `prepare_table` will do.

    Raises
    ------
    CollapseError
        If a file cannot be read or differs in its columns, a column is not there or said to be two things, or no
        column is left to be a field.
    """
    files = tuple(open_text(path, settings.reading) for path in paths)
    check_same_columns(files)
    names = files[0].columns
    rule = label_rule(settings.label, settings.positive, names)
    said = _said(settings, names, rule)
    sample = _first_rows(files[0], [name for name in names if said.get(name) != "left out"], settings.missing)
    # All at once: Polars takes its time for every column that it is asked about alone.
    numbers = sample.cast(pl.Float64, strict=False)
    columns = tuple(
        Column(name=name, role="left out", why="asked for", distinct=0, examples=())
        if said.get(name) == "left out"
        else _column(name, said.get(name), sample[name].to_list(), numbers[name].to_numpy())
        for name in names
    )
    if not any(column.role in ("categorical", "numeric") for column in columns):
        raise CollapseError(f"{paths[0]} has no column beside the label {rule.column!r} that could be a field")
    return TablePlan(files=files, settings=settings, columns=columns, label=rule, rows_looked_at=len(sample))


def cleaned(frame: pl.DataFrame, missing: Sequence[str]) -> pl.DataFrame:
    """Take the spaces about cells away, and missing ones for null.

    Parameters
    ----------
    frame : pl.DataFrame
        Columns of text.
    missing : sequence of str
        Texts that mean that a cell is missing, beside the empty one.

    Returns
    -------
    pl.DataFrame
        The same columns.
    """
    text = pl.all().str.strip_chars()
    return frame.select(pl.when(~text.is_in(["", *missing])).then(text).name.keep())


def _said(settings: TableSettings, names: Sequence[str], rule: LabelRule) -> dict[str, Role]:
    said: dict[str, Role] = {rule.column: "label"}
    asked: dict[Role, tuple[str, ...]] = {
        "categorical": settings.categorical,
        "numeric": settings.numeric,
        "left out": settings.drop,
    }
    for role, columns in asked.items():
        for name in columns:
            if name not in names:
                raise unknown_column(name, names, role)
            if said.setdefault(name, role) != role:
                raise CollapseError(f"column {name!r} is said to be both {said[name]} and {role}")
    return said


def _first_rows(file: TextFile, columns: Sequence[str], missing: Sequence[str]) -> pl.DataFrame:
    """Read some rows, whatever their labels; what is malformed is judged when all rows are read."""
    with file.opened(columns) as blocks:
        for block in blocks:
            if len(block.cells):
                return cleaned(block.cells[list(columns)], missing).head(SAMPLE_ROWS)
    raise CollapseError(f"{file.path} has no good row")


def _column(name: str, said: Role | None, cells: list[str | None], numbers: NDArray[np.float64]) -> Column:
    counts = Counter(cell for cell in cells if cell is not None)
    filled = [cell is not None for cell in cells]
    role, why = (said, "asked for") if said else _guess(numbers[filled])
    examples = tuple(sorted(counts, key=lambda value: (-counts[value], value))[:EXAMPLES])
    return Column(name=name, role=role, why=why, distinct=len(counts), examples=examples)


def _guess(numbers: NDArray[np.float64]) -> tuple[Role, str]:
    """Choose by the numbers of the cells that are filled, which are NaN where a cell is none."""
    if not len(numbers) or not np.isfinite(numbers).all():
        return "categorical", "text" if len(numbers) else "no cell is filled"
    if (numbers == np.floor(numbers)).all():
        return "categorical", "whole numbers"
    return "numeric", "numbers with fractions"
