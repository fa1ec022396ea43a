"""A field's numbers in words."""

from dataclasses import dataclass
from enum import StrEnum

from collapse.analysis.measures.causes import Causes

FEWEST_ROWS = 3


class Degree(StrEnum):
    """How far a field is collapsed: by its adjusted abundance, below 0.3, below 0.6, and above.

    A field whose adjusted abundance is low because of one thing, and above 0.8 without it, is dominated by it.
    A field is collapsed, or partly, only if fewer than 1 % of random tables of its shape have an abundance as low.
    The two thresholds are this project's; the paper compares curves and sets none.
    """

    COLLAPSED = "collapsed"
    PARTLY = "partly collapsed"
    DOMINATED = "dominated by one direction"
    SPREAD = "spread out"
    NOT_JUDGED = "not judged"


COLLAPSED_BELOW = 0.3
RESTORED = 0.8
"""The adjusted abundance without one thing from which on that thing is the cause: near that of a random table,
since taking the first direction away raises the abundance of every table a little."""
LEAST_BELOW = 0.01
"""The fraction of the energy that has to be left below the first direction: less is as good as nothing, whatever
its directions are (a rank-one table with noise)."""
LEAST_AROUND = 1e-4
"""The same around the mean row or beside constant columns, which are known by more than their size."""
_BELOW = {Degree.COLLAPSED: COLLAPSED_BELOW, Degree.PARTLY: 0.6}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a verdict rests on."""

    adjusted: float
    """The adjusted abundance, (IA - 1) / (E[IA(random)] - 1)."""
    is_rare: bool
    """Whether IA is below the 1st percentile of random tables of the shape."""
    first_share: float
    """The share of the energy that the first direction takes."""
    rows: int
    """The rows that entered."""
    columns: int
    """Columns of the table, M K."""
    near_zero: float
    """Share of near-zero rows."""
    is_zero: bool
    """Whether every entry that entered is zero."""
    causes: Causes | None = None
    """What the adjusted abundance is without one thing; None if it was not measured."""
    since: int | None = None
    """The epoch since which it has been collapsed, 0 for the start; None if the run does not tell."""


def degree(evidence: Evidence) -> Degree:
    """Return how far a field's embeddings are collapsed."""
    if evidence.is_zero or evidence.rows < FEWEST_ROWS or evidence.columns < 2:
        return Degree.NOT_JUDGED
    if not evidence.is_rare:
        return Degree.SPREAD
    found = next((each for each, below in _BELOW.items() if evidence.adjusted < below), Degree.SPREAD)
    return Degree.DOMINATED if found is not Degree.SPREAD and cause(evidence) else found


def cause(evidence: Evidence) -> tuple[str, float] | None:
    """Return the one thing without which a field is like a random table, and its adjusted abundance without it."""
    if evidence.causes is None:
        return None
    of = evidence.causes
    columns = "a constant column" if of.constant_columns == 1 else f"{of.constant_columns} constant columns"
    for name, without, least in (
        (columns, of.constant, LEAST_AROUND),
        ("its mean row", of.mean, LEAST_AROUND),
        ("its first direction", of.first, LEAST_BELOW),
    ):
        if without.adjusted >= RESTORED and without.energy >= least:
            return name, without.adjusted
    return None


def verdict(evidence: Evidence) -> str:
    """Say how far a field's embeddings are collapsed, in the measure that decides.

    Parameters
    ----------
    evidence : Evidence
        The field's numbers.

    Returns
    -------
    str
        The degree, with the reason: its adjusted abundance, and how much of the energy the first direction takes;
        and since when, if the run tells. A field that cannot be judged says why: every entry is zero, fewer rows
        than three, or a single column.
    """
    found = degree(evidence)
    if found is Degree.NOT_JUDGED:
        if evidence.is_zero:
            return f"{found}: every entry is zero"
        if evidence.columns < 2:
            return f"{found}: a single column has a single direction"
        return f"{found}: {evidence.rows} row{'s' * (evidence.rows > 1)} cannot tell directions apart"
    since = ""
    if found is Degree.COLLAPSED and evidence.since is not None:
        since = f" since epoch {evidence.since}" if evidence.since else " from the start"
    if found is Degree.DOMINATED and (why := cause(evidence)) is not None:
        return f"dominated by {why[0]}: adjusted abundance {evidence.adjusted:.2f}, {why[1]:.2f} without it"
    words = f"{found}{since}: adjusted abundance {evidence.adjusted:.2f}, "
    words += f"the first direction takes {evidence.first_share:.0%} of the energy"
    if not evidence.is_rare and evidence.adjusted < _BELOW[Degree.PARTLY]:
        words += f"; random tables of {evidence.rows} x {evidence.columns} have as little"
    if evidence.rows < evidence.columns:
        words += f"; it has {evidence.rows} rows"
    if evidence.near_zero >= 0.5:
        words += f"; {evidence.near_zero:.0%} of its rows are near zero"
    return words
