"""The label of a table of a user's own: a column of two values, one value of a column, or a number's threshold."""

import operator
import re
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


@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """When a row's label is 1."""

    column: str
    """The column that decides."""
    positive: str | None = None
    """The value that means 1; every other means 0."""
    comparison: str | None = None
    """How the number in the column compares with the limit: ``>``, ``>=``, ``<`` or ``<=``."""
    limit: float = 0.0
    """The limit."""

    def __str__(self) -> str:
        if self.comparison:
            return f"{self.column} {self.comparison} {self.limit:.12g}"
        return f"{self.column} is {self.positive if self.positive is not None else '1 or true'}"

    def labels(self, cells: pl.Series) -> tuple[pl.Series, Faults]:
        """Apply the rule.

        Parameters
        ----------
        cells : pl.Series
            The column's cells as text; null where a cell is missing.

        Returns
        -------
        labels : pl.Series
            Whether each label is 1; null where the cell is missing, and where it is wrong.
        faults : mapping of int to str
            What is wrong, by row; a missing cell is not.
        """
        if self.positive is not None:
            return cells == self.positive, {}
        if self.comparison:
            numbers = cells.cast(pl.Float64, strict=False).fill_nan(None)
            labels, what = _COMPARISONS[self.comparison](numbers, self.limit), "not a number"
        else:
            labels = cells.str.to_lowercase().replace_strict(_TWO, default=None, return_dtype=pl.Boolean)
            what = "not one of 0, 1, false and true; `--positive VALUE` tells which value means 1"
        wrong = (labels.is_null() & cells.is_not_null()).arg_true().to_list()
        return labels, {
            row: f"column {self.column} holds {shortened(cells[row] or '')}, which is {what}" for row in wrong
        }


def label_rule(text: str, positive: str | None, columns: Sequence[str]) -> LabelRule:
    """Read a rule as it is typed.

    Parameters
    ----------
    text : str
        A column, or a threshold such as ``arr_delay > 15``. A column that is called so comes first.
    positive : str or None
        The value that means 1.
    columns : sequence of str
        The columns that there are.

    Returns
    -------
    LabelRule
        The rule.

    Raises
    ------
    CollapseError
        If there is no such column, or a threshold comes with a value that means 1.
    """
    if text in columns:
        return LabelRule(column=text, positive=positive)
    if (found := _THRESHOLD.fullmatch(text)) is None:
        raise unknown_column(text, columns, "the label")
    if positive is not None:
        raise CollapseError(
            f"the label {shortened(text)} is a threshold already: a value that means 1 does not go with it"
        )
    if found["column"] not in columns:
        raise unknown_column(found["column"], columns, "the label")
    try:
        limit = float(found["limit"])
    except ValueError as error:
        raise CollapseError(
            f"the label {shortened(text)} compares with {shortened(found['limit'])}, which is not a number"
        ) from error
    return LabelRule(column=found["column"], comparison=found["comparison"], limit=limit)


def unknown_column(name: str, columns: Sequence[str], role: str) -> CollapseError:
    """Return the error of a column that is not there.

    Parameters
    ----------
    name : str
        What was asked for.
    columns : sequence of str
        What there is.
    role : str
        What it was to be: ``the label``.

    Returns
    -------
    CollapseError
        The sentence: a similar name, and the columns that there are.
    """
    meant = "".join(f"; was {close!r} meant?" for close in get_close_matches(name, columns, n=1))
    listed = ", ".join(columns[:40]) + (f" and {len(columns) - 40} more" if len(columns) > 40 else "")
    return CollapseError(f"there is no column {name!r} to be {role} among {listed}{meant}")
