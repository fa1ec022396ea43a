"""The verdict on a field: its degree, the cause, and a sentence."""

from dataclasses import dataclass
from enum import StrEnum

from collapse.measures.causes import Causes, Without

FEWEST_ROWS = 3
"""Fewest rows of a field that is judged. One or two rows have no meaningful spectrum."""


class Degree(StrEnum):
    """How far a field has collapsed: adjusted abundance below 0.3, below 0.6, or above.

    A field whose adjusted abundance is low for one reason, and above 0.8 without it, is dominated by it. A field
    has collapsed, or partly collapsed, only if fewer than 1 % of random tables of its shape have an abundance as
    low. Both thresholds are this project's; the paper compares curves and sets none.
    """

    COLLAPSED = "collapsed"
    PARTLY = "partly collapsed"
    DOMINATED = "dominated by one direction"
    SPREAD = "spread out"
    NOT_JUDGED = "not judged"


class Cause(StrEnum):
    """The single cause without which a field resembles a random table."""

    NONE = ""
    CONSTANT = "constant columns"
    MEAN = "mean row"
    POPULARITY = "popularity"
    FIRST = "first direction"


COLLAPSED_BELOW, PARTLY_BELOW = 0.3, 0.6
"""Thresholds of the adjusted abundance. They are this project's; the paper compares curves and sets none."""
RESTORED = 0.8
"""Adjusted abundance without a possible cause from which on it is the cause. It is not 1, because removing the
first direction raises the abundance of every table a little."""
LEAST_BELOW = 0.01
"""Fraction of the energy that must be left without the first direction. With less, the rest is negligible,
whatever its directions are (a rank-one table with noise)."""
LEAST_AROUND = 1e-4
"""The same without the mean row or constant columns, which are identified by more than their size."""
FOLLOWS = 0.9
"""Cosine with the row counts, or their logarithm, from which on a first direction is said to follow them. For the
interaction matrix of MovieLens-1M it is 0.986 (Lin et al., WSDM 2025, arXiv 2404.12008)."""
_BELOW = {Degree.COLLAPSED: COLLAPSED_BELOW, Degree.PARTLY: PARTLY_BELOW}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The numbers that a verdict is based on."""

    adjusted: float
    """Adjusted abundance, (IA - 1) / (E[IA(random)] - 1)."""
    is_rare: bool
    """Whether IA is below the 1st percentile of random tables of the shape, normal or heavy-tailed."""
    rows: int
    """Number of rows that were measured."""
    columns: int
    """Number of columns of the table, M K."""
    is_zero: bool
    """Whether all measured entries are zero."""
    rows_of_norm: int
    """Number of measured rows that are not near zero."""
    adjusted_of_norm: float
    """Adjusted abundance relative to random tables with only those rows, which carry the spectrum."""
    is_rare_of_norm: bool
    """Whether IA is below the 1st percentile of such tables."""
    never_trained: bool = False
    """Whether training is known to have looked up no row."""
    rows_untouched: int = 0
    """Number of rows that look untouched by training, if row counts are unknown."""
    causes: Causes | None = None
    """Adjusted abundance without each possible cause; None if it was not measured."""
    since: int | None = None
    """Epoch since which the field has been collapsed, 0 for the initialisation; None if unknown."""


def degree(evidence: Evidence) -> Degree:
    """Return how far a field has collapsed."""
    too_small = evidence.rows_of_norm < FEWEST_ROWS or evidence.columns < 2
    if evidence.is_zero or evidence.never_trained or too_small:
        return Degree.NOT_JUDGED
    if not evidence.is_rare or not evidence.is_rare_of_norm:
        return Degree.SPREAD
    found = next((each for each, below in _BELOW.items() if evidence.adjusted_of_norm < below), Degree.SPREAD)
    return Degree.DOMINATED if found is not Degree.SPREAD and cause(evidence) else found


def cause(evidence: Evidence) -> Cause:
    """Return the single cause without which a field resembles a random table, if there is one."""
    of = evidence.causes
    if of is None:
        return Cause.NONE
    around, below = (
        {
            name: without.adjusted
            for name, without in found.items()
            if without.adjusted >= RESTORED and without.energy >= least
        }
        for found, least in (
            ({Cause.MEAN: of.mean, Cause.POPULARITY: of.popularity}, LEAST_AROUND),
            ({Cause.FIRST: of.first}, LEAST_BELOW),
        )
    )
    if of.constant.adjusted >= RESTORED and of.constant.energy >= LEAST_AROUND:
        return Cause.CONSTANT
    # In many tables the logarithm of the counts is almost constant: the cause that restores more is the right one.
    return max(around, key=lambda name: around[name]) if around else next(iter(below), Cause.NONE)


def without(of: Causes, name: Cause) -> Without:
    """Return the measures of a table without a cause."""
    things = {
        Cause.CONSTANT: of.constant,
        Cause.MEAN: of.mean,
        Cause.POPULARITY: of.popularity,
        Cause.FIRST: of.first,
    }
    return things[name]


def verdict(evidence: Evidence) -> str:
    """Return how far a field has collapsed, and why.

    Returns
    -------
    str
        The degree, and what the other columns do not say: the cause, with the adjusted abundance without it; for a
        collapsed field, the most that removing one possible cause restores, and since when it has been collapsed,
        if known; why a field is not judged, or is spread out despite a low abundance.
    """
    found = degree(evidence)
    if found is Degree.NOT_JUDGED:
        return f"{found}: {_not_judged(evidence)}"
    untouched = f"; {evidence.rows_untouched:,} rows look untouched" if evidence.rows_untouched else ""
    return _judged(evidence, found) + untouched


def _judged(evidence: Evidence, found: Degree) -> str:
    """Return the degree with its reason."""
    if found is Degree.SPREAD:
        return f"{found}{_although_low(evidence)}"
    of = evidence.causes
    if of is not None and (why := cause(evidence)):
        what = f"{of.constant_columns} constant columns" if of.constant_columns > 1 else "a constant column"
        thing = {
            Cause.CONSTANT: what,
            Cause.MEAN: "its mean row",
            Cause.POPULARITY: "a direction of popularity",
            Cause.FIRST: f"its first direction{_follows(of)}",
        }[why]
        return f"dominated by {thing}: {without(of, why).adjusted:.2f} without it"
    since = ""
    if found is Degree.COLLAPSED and evidence.since is not None:
        since = f" since epoch {evidence.since}" if evidence.since else " from the start"
    return f"{found}{since}{_at_most(of)}"


def _not_judged(evidence: Evidence) -> str:
    if evidence.is_zero:
        return "every entry is zero"
    if evidence.never_trained:
        return "training looked up none of its rows"
    if evidence.columns < 2:
        return "a single column has only one direction"
    of_norm = " that are not zero" if evidence.rows_of_norm < evidence.rows else ""
    return (
        f"{evidence.rows_of_norm} row{'s' * (evidence.rows_of_norm > 1)}{of_norm} cannot show several directions"
    )


def _although_low(evidence: Evidence) -> str:
    """Return why a field with a low adjusted abundance is not collapsed."""
    if evidence.adjusted >= PARTLY_BELOW:
        return ""
    if not evidence.is_rare:
        return f": random tables of {evidence.rows} x {evidence.columns} are as low"
    return f": {evidence.adjusted_of_norm:.2f} for the {evidence.rows_of_norm:,} rows that are not near zero"


def _follows(of: Causes) -> str:
    """Return what the first direction follows over the rows."""
    counts = max((of.alignment.counts, of.alignment.log_counts), default=0.0)
    return ", which follows row counts" if counts >= FOLLOWS and counts > of.alignment.mean else ""


def _at_most(of: Causes | None) -> str:
    """Return how little the removal of any single cause restores."""
    if of is None:
        return ""
    if of.first.energy < LEAST_BELOW:
        return f": one direction holds {1 - of.first.energy:.1%} of its energy"
    known = {
        thing: left.adjusted
        for thing, left in (
            ("its mean row", of.mean),
            ("a direction of popularity", of.popularity),
            ("its first direction", of.first),
        )
        if left.energy >= LEAST_BELOW and left.adjusted == left.adjusted
    }
    if not known:
        return ""
    thing = max(known, key=lambda name: known[name])
    return f": {known[thing]:.2f} without {thing}"
