"""The label of a user's table: a column of two values, one value of a column, or a comparison with a number."""

import operator
import re
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import polars as pl

from collapse.errors import CollapseError, shortened
from collapse.training.data.store.skipped import Faults

_COMPARISONS: dict[str, Callable[[Any, float], pl.Series]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_THRESHOLD = re.compile(r"\s*(?P<column>.+?)\s*(?P<comparison>[<>]=?)\s*(?P<limit>[-+.\deE]+)\s*")
_TWO = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}

_LIKE_ONE = {"yes", "y", "t", "on", "pos", "positive", "+1", "click", "clicked", "buy", "bought"}
"""Words that usually mean 1."""


@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """Rule for the label of a row."""

    column: str
    """Name of the column."""
    positive: str | None = None
    """The value that means 1; all others mean 0."""
    comparison: str | None = None
    """How the number in the column is compared with the limit: ``>``, ``>=``, ``<`` or ``<=``."""
    limit: float = 0.0
    """The limit."""

    def __str__(self) -> str:
        if self.comparison:
            return f"{self.column} {self.comparison} {self.limit:.12g}"
        return f"{self.column} is {self.positive if self.positive is not None else '1 or true'}"

    def check_words(self, cells: pl.Series) -> None:
        """Refuse a column of two words if nobody said which of them means 1.

        Parameters
        ----------
        cells : pl.Series
            First cells of the column; null if missing.

        Raises
        ------
        CollapseError
            The message suggests the word that looks like 1, or the rarer one.
        """
        if self.positive is not None or self.comparison:
            return
        counts = Counter(cells.drop_nulls().to_list())
        if len(counts) != 2 or any(word.lower() in _TWO for word in counts):
            return
        rarer = min(counts, key=lambda word: (counts[word], word))
        meant = next((word for word in counts if word.lower() in _LIKE_ONE), rarer)
        first, second = sorted(counts)
        raise CollapseError(
            f"column {self.column} has the values {shortened(first)} and {shortened(second)}: say which of them "
            f"means 1, for example with --positive {shlex.quote(meant)}"
        )

    def labels(self, cells: pl.Series) -> tuple[pl.Series, Faults]:
        """Apply the rule.

        Parameters
        ----------
        cells : pl.Series
            Cells of the column as text; null if missing.

        Returns
        -------
        labels : pl.Series
            Whether each label is 1; null if the cell is missing or wrong.
        faults : mapping of int to str
            Faults by row. A missing cell is not a fault.
        """
        if self.positive is not None:
            return cells == self.positive, {}
        if self.comparison:
            numbers = cells.cast(pl.Float64, strict=False).fill_nan(None)
            labels, what = _COMPARISONS[self.comparison](numbers, self.limit), "not a number"
        else:
            labels = cells.str.to_lowercase().replace_strict(_TWO, default=None, return_dtype=pl.Boolean)
            what = "not one of 0, 1, false and true; use `--positive VALUE` to say which value means 1"
        wrong = (labels.is_null() & cells.is_not_null()).arg_true().to_list()
        return labels, {
            row: f"column {self.column} has {shortened(cells[row] or '')}, which is {what}" for row in wrong
        }


def label_rule(text: str, positive: str | None, columns: Sequence[str]) -> LabelRule:
    """Parse a rule.

    Parameters
    ----------
    text : str
        A column, or a comparison such as ``arr_delay > 15``. A column with that exact name takes precedence.
    positive : str or None
        The value that means 1.
    columns : sequence of str
        The columns of the table.

    Raises
    ------
    CollapseError
        If the column does not exist, or a comparison is combined with a positive value.
    """
    if text in columns:
        return LabelRule(column=text, positive=positive)
    if (found := _THRESHOLD.fullmatch(text)) is None:
        raise unknown_column(text, columns, "label")
    if positive is not None:
        raise CollapseError(f"the label {shortened(text)} is a comparison, so --positive cannot be used with it")
    if found["column"] not in columns:
        raise unknown_column(found["column"], columns, "label")
    try:
        limit = float(found["limit"])
    except ValueError as error:
        raise CollapseError(
            f"the label {shortened(text)} compares with {shortened(found['limit'])}, which is not a number"
        ) from error
    return LabelRule(column=found["column"], comparison=found["comparison"], limit=limit)


def unknown_column(name: str, columns: Sequence[str], role: str) -> CollapseError:
    """Return the error for a column that does not exist.

    Parameters
    ----------
    name : str
        The requested column.
    columns : sequence of str
        The existing columns.
    role : str
        What it was given as: ``label``.

    Returns
    -------
    CollapseError
        The message, with a similar name and the existing columns.
    """
    meant = "".join(f"; was {close!r} meant?" for close in get_close_matches(name, columns, n=1))
    listed = ", ".join(columns[:40]) + (f" and {len(columns) - 40} more" if len(columns) > 40 else "")
    return CollapseError(f"there is no column {name!r} (given as {role}): the columns are {listed}{meant}")
