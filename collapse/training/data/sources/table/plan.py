"""Roles of a table's columns: given by the user, or guessed from the first rows by one rule.

The rule: a column is numeric if every cell that is not missing is a number and at least one has a fractional part;
otherwise it is categorical. Whole numbers are categorical because codes, for example of a shop or a model, look
like counts. The option ``numeric`` overrides this.
"""

import re
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
from collapse.training.data.sources.table.dates import PARTS, parse_dates, part_names, parts_of
from collapse.training.data.sources.table.label import LabelRule, label_rule, unknown_column
from collapse.training.data.text.delimited_file import Reading
from collapse.training.data.text.file import TextFile, check_same_columns
from collapse.training.data.text.open import open_text

SAMPLE_ROWS = 10_000
"""Number of first rows from which the roles are guessed."""
EXAMPLES = 3
"""Number of values of a column that the plan shows."""

TEXT = "text"
"""Why a column is guessed to be categorical, if its cells are neither numbers nor dates."""
WHOLE = "whole numbers"
"""Why a column is guessed to be categorical, if its cells are numbers."""
AS_FLOAT = r"^([+-]?\d+)\.0+$"
"""A whole number as it is written in a column of floats."""

Role = Literal["label", "categorical", "numeric", "date", "time", "left out"]


@dataclass(frozen=True, kw_only=True)
class TableSettings:
    """What the user said about a table."""

    label: str
    """Column of the label, or a comparison such as ``arr_delay > 15``."""
    positive: str | None = None
    """Value of the label's column that means 1. The default is 1 or true."""
    categorical: tuple[str, ...] = ()
    """Categorical columns."""
    numeric: tuple[str, ...] = ()
    """Numeric columns, which are binned."""
    dates: tuple[str, ...] = ()
    """Columns of dates, which become fields for the hour, the weekday and the month."""
    drop: tuple[str, ...] = ()
    """Columns to leave out, also fields that are made from dates."""
    split: str | None = None
    """How rows are split: ``time:COLUMN`` in the order of a column; None at random."""
    bins: Bins = field(default_factory=lambda: Bins("quantile", 32.0))
    """Binning rule."""
    missing: tuple[str, ...] = ()
    """Texts that mean a missing cell, in addition to the empty text."""
    skip_unlabelled: bool = False
    """Leave out rows without a label; otherwise they are malformed."""
    reading: Reading = field(default_factory=Reading)
    """How delimited text is read."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column with its role."""

    name: str
    """Name of the column."""
    role: Role
    """Role of the column."""
    why: str
    """Whether the user gave the role, or how it was guessed."""
    distinct: int
    """Number of distinct values in the first rows, without missing ones."""
    examples: tuple[str, ...]
    """Most frequent values in the first rows."""
    parts: tuple[str, ...] = ()
    """For dates, the parts that become fields."""
    whole: bool = False
    """Whether it is categorical and its cells in the first rows are whole numbers, so that 2.0 is the value 2."""


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """Plan for preparing a table."""

    files: tuple[TextFile, ...]
    """The files."""
    settings: TableSettings
    """What the user said."""
    columns: tuple[Column, ...]
    """All columns, in the order of the first file."""
    label: LabelRule
    """Rule for the label."""
    rows_looked_at: int
    """First rows of the first file, from which roles are guessed."""
    time: str | None = None
    """Column that orders the rows for the split; None to split at random."""
    time_is_number: bool = False
    """Whether that column holds numbers, and not dates."""

    def named(self, *roles: Role) -> tuple[str, ...]:
        """Return the columns with given roles, in order."""
        return tuple(column.name for column in self.columns if column.role in roles)

    @property
    def date_parts(self) -> dict[str, tuple[str, ...]]:
        """Parts of each column of dates."""
        return {column.name: column.parts for column in self.columns if column.role == "date"}


def plan_table(paths: Sequence[Path], settings: TableSettings) -> TablePlan:
    """Read a table's first rows and decide the roles of its columns.

    Parameters
    ----------
    paths : sequence of Path
        At least one file. Several files are one table, in this order.
    settings : TableSettings
        What the user said.

    Raises
    ------
    CollapseError
        If a file cannot be read or has other columns, a column does not exist or has two roles, or no column is
        left for a field.
    """
    files = tuple(open_text(path, settings.reading) for path in paths)
    check_same_columns(files)
    names = files[0].columns
    rule = label_rule(settings.label, settings.positive, names)
    time = _time_column(settings, names)
    said = _said(settings, names, rule, time)
    sample = _first_rows(files[0], [name for name in names if said.get(name) != "left out"], settings.missing)
    rule.check_words(sample[rule.column])
    # All columns at once: Polars has a fixed cost for each query.
    numbers = sample.cast(pl.Float64, strict=False)
    columns = tuple(
        Column(name=name, role="left out", why="asked for", distinct=0, examples=())
        if said.get(name) == "left out"
        else _column(name, said.get(name), sample[name], numbers[name].to_numpy(), settings.drop)
        for name in names
    )
    _check_dates(columns, names, settings.drop)
    if not any(column.role in ("categorical", "numeric", "date") for column in columns):
        raise CollapseError(f"{paths[0]} has no column other than the label {rule.column!r}")
    is_number = time is not None and _are_numbers(sample[time], numbers[time])
    return TablePlan(
        files=files,
        settings=settings,
        columns=columns,
        label=rule,
        rows_looked_at=len(sample),
        time=time,
        time_is_number=is_number,
    )


def cleaned(frame: pl.DataFrame, missing: Sequence[str]) -> pl.DataFrame:
    """Strip spaces around cells, and replace missing cells by null.

    Parameters
    ----------
    frame : pl.DataFrame
        Columns of text.
    missing : sequence of str
        Texts that mean a missing cell, in addition to the empty text.
    """
    text = pl.all().str.strip_chars()
    return frame.select(pl.when(~text.is_in(["", *missing])).then(text).name.keep())


def as_whole(cell: str) -> str:
    """Return a whole number without its decimals; any other text is unchanged."""
    return re.sub(AS_FLOAT, r"\1", cell)


def _time_column(settings: TableSettings, names: Sequence[str]) -> str | None:
    """Return the column that the split is ordered by."""
    if settings.split is None:
        return None
    kind, _, column = settings.split.partition(":")
    if kind != "time" or not column:
        raise CollapseError(f"--split must be time:COLUMN, got {settings.split!r}")
    if column not in names:
        raise unknown_column(column, names, "time")
    return column


def _check_dates(columns: Sequence[Column], names: Sequence[str], drop: Sequence[str]) -> None:
    """Check the names of the fields that are made from dates, and those among them that are left out."""
    made = {name: column for column in columns if column.role == "date" for name in part_names(column.name, PARTS)}
    for name, column in made.items():
        if name in names:
            raise CollapseError(
                f"--dates {column.name} makes a field {name!r}, which is a column already: rename it"
            )
    for name in drop:
        if name not in names and name not in made:
            raise unknown_column(name, [*names, *made], "left out")
    for column in columns:
        if column.role == "date" and not column.parts:
            raise CollapseError(f"no field is left of the dates in {column.name!r}: use --drop {column.name}")


def _said(settings: TableSettings, names: Sequence[str], rule: LabelRule, time: str | None) -> dict[str, Role]:
    said: dict[str, Role] = {rule.column: "label"}
    asked: dict[Role, tuple[str, ...]] = {
        "categorical": settings.categorical,
        "numeric": settings.numeric,
        "date": settings.dates,
        "left out": tuple(name for name in settings.drop if name in names),
    }
    for role, columns in asked.items():
        for name in columns:
            if name not in names:
                raise unknown_column(name, names, role)
            if said.setdefault(name, role) != role:
                raise CollapseError(f"column {name!r} cannot be both {said[name]} and {role}")
    if time is not None and said.setdefault(time, "time") == "left out":
        # It is read for the split, but is not a field.
        said[time] = "time"
    return said


def _first_rows(file: TextFile, columns: Sequence[str], missing: Sequence[str]) -> pl.DataFrame:
    """Read some rows, whatever their labels. Malformed rows are judged later, when all rows are read."""
    with file.opened(columns) as blocks:
        for block in blocks:
            if len(block.cells):
                return cleaned(block.cells[list(columns)], missing).head(SAMPLE_ROWS)
    raise CollapseError(f"{file.path} has no valid row")


def _column(
    name: str, said: Role | None, texts: pl.Series, numbers: NDArray[np.float64], drop: Sequence[str]
) -> Column:
    cells = texts.to_list()
    filled = [cell is not None for cell in cells]
    guess, reason = _guess(numbers[filled])
    if reason == TEXT and _are_dates(texts.drop_nulls()):
        reason = "dates: see --dates"
    role, why = (said, "for the split" if said == "time" else "asked for") if said else (guess, reason)
    parts = parts_of(texts) if role == "date" else ()
    parts = tuple(part for part, made in zip(parts, part_names(name, parts), strict=True) if made not in drop)
    whole = role == "categorical" and reason == WHOLE
    counts = Counter(as_whole(cell) if whole else cell for cell in cells if cell is not None)
    examples = tuple(sorted(counts, key=lambda value: (-counts[value], value))[:EXAMPLES])
    return Column(name=name, role=role, why=why, distinct=len(counts), examples=examples, whole=whole, parts=parts)


def _are_dates(cells: pl.Series) -> bool:
    # The first cell tells for most columns, which are not searched for dates then.
    return all(parse_dates(part).null_count() == 0 for part in (cells.head(1), cells))


def _are_numbers(cells: pl.Series, numbers: pl.Series) -> bool:
    return bool(numbers.filter(cells.is_not_null()).is_finite().fill_null(value=False).all())


def _guess(numbers: NDArray[np.float64]) -> tuple[Role, str]:
    """Guess a role from the numbers in the filled cells, which are NaN for other texts."""
    if not len(numbers) or not np.isfinite(numbers).all():
        return "categorical", TEXT if len(numbers) else "all cells are empty"
    if (numbers == np.floor(numbers)).all():
        return "categorical", WHOLE
    return "numeric", "numbers with fractions"
