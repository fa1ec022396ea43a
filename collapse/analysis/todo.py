"""What to do about a whole checkpoint: the advice for its fields, grouped by their causes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from collapse.analysis.advice import NOTHING, advice
from collapse.analysis.explanation import causes_text
from collapse.analysis.factorised import FactoredTables
from collapse.analysis.verdicts import Cause, Degree
from collapse.analysis.words import worst_first

_TITLES = {
    (Degree.COLLAPSED, Cause.NONE): "Collapsed",
    (Degree.PARTLY, Cause.NONE): "Partly collapsed",
    (Degree.DOMINATED, Cause.CONSTANT): "Dominated by constant columns",
    (Degree.DOMINATED, Cause.MEAN): "Dominated by the mean row",
    (Degree.DOMINATED, Cause.POPULARITY): "Dominated by popularity",
    (Degree.DOMINATED, Cause.FIRST): "Dominated by the first direction",
    (Degree.SPREAD, Cause.NONE): "Spread out, with rows or columns to spare",
}
"""Titles of the groups, in their order."""


@dataclass(frozen=True, kw_only=True)
class AdvisedField:
    """A field with the advice that only it gets."""

    field: str
    """Name of the field."""
    degree: str
    """Its degree."""
    verdict: str
    """Its verdict."""
    adjusted: float
    """Its adjusted abundance; NaN if random tables of its shape have rank one."""
    causes: str
    """Its adjusted abundance without each possible cause."""
    advice: tuple[str, ...]
    """Advice that not every field of its group gets."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Fields of one degree and cause, with the advice that they share."""

    title: str
    """Degree and cause."""
    fields: tuple[AdvisedField, ...]
    """The fields, the most collapsed first."""
    advice: tuple[str, ...]
    """Advice for all of them."""


def todo(factored: FactoredTables, fields: pd.DataFrame) -> list[Group]:
    """Group the fields that need advice by degree and cause.

    Parameters
    ----------
    factored : FactoredTables
        The checkpoint.
    fields : pandas.DataFrame
        Its diagnosis.

    Returns
    -------
    list of Group
        Only groups with fields, the most collapsed first. Fields that are not judged get no advice.
    """
    columns = {table.field: table.columns for table in factored}
    found: dict[str, list[tuple[AdvisedField, list[str]]]] = {title: [] for title in _TITLES.values()}
    for record in worst_first(fields, ()).to_dict("records"):
        diagnosis = {str(name): value for name, value in record.items()}
        degree, cause = Degree(diagnosis["degree"]), Cause(diagnosis["cause"])
        if degree is Degree.NOT_JUDGED:
            continue
        lines = advice(diagnosis, factored.tables, columns=columns[diagnosis["field"]])
        if lines == [NOTHING]:
            continue
        one = AdvisedField(
            field=diagnosis["field"],
            degree=str(degree),
            verdict=diagnosis["verdict"],
            adjusted=diagnosis["ia_adjusted"],
            causes=causes_text(diagnosis),
            advice=(),
        )
        found[_TITLES[degree, cause]].append((one, lines))
    return list(_groups(found))


def _groups(found: dict[str, list[tuple[AdvisedField, list[str]]]]) -> Iterator[Group]:
    """Move the advice that all fields of a group share to the group."""
    for title, members in found.items():
        if not members:
            continue
        shared = [line for line in members[0][1] if all(line in lines for _, lines in members)]
        own = (replace(one, advice=tuple(line for line in lines if line not in shared)) for one, lines in members)
        yield Group(title=title, fields=tuple(own), advice=tuple(shared))
