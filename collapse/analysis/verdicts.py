"""A field's numbers in words: its degree, the cause, and a sentence."""

from dataclasses import dataclass
from enum import StrEnum

from collapse.measures.causes import Causes, Without

FEWEST_ROWS = 3
"""Rows below which a field is not judged: one or two rows have no spectrum to speak of."""


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


class Cause(StrEnum):
    """The one thing without which a field is like a random table."""

    NONE = ""
    CONSTANT = "constant columns"
    MEAN = "mean row"
    POPULARITY = "popularity"
    FIRST = "first direction"


COLLAPSED_BELOW, PARTLY_BELOW = 0.3, 0.6
"""Thresholds of the adjusted abundance. They are this project's; the paper compares curves and sets none."""
RESTORED = 0.8
"""The adjusted abundance without one thing from which on that thing is the cause: near that of a random table,
since taking the first direction away raises the abundance of every table a little."""
LEAST_BELOW = 0.01
"""The fraction of the energy that has to be left below the first direction: less is as good as nothing, whatever
its directions are (a rank-one table with noise)."""
LEAST_AROUND = 1e-4
"""The same around the mean row or beside constant columns, which are known by more than their size."""
FOLLOWS = 0.9
"""The cosine with the row counts, or their logarithm, from which on a first direction is said to follow them. On
the interaction matrix of MovieLens-1M it is 0.986 (Lin et al., WSDM 2025, arXiv 2404.12008)."""
_BELOW = {Degree.COLLAPSED: COLLAPSED_BELOW, Degree.PARTLY: PARTLY_BELOW}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a verdict rests on."""

    adjusted: float
    """The adjusted abundance, (IA - 1) / (E[IA(random)] - 1)."""
    is_rare: bool
    """Whether IA is below the 1st percentile of random tables of the shape, normal or heavy-tailed."""
    rows: int
    """The rows that entered."""
    columns: int
    """Columns of the table, M K."""
    is_zero: bool
    """Whether every entry that entered is zero."""
    rows_of_norm: int
    """The rows that entered and are not near zero."""
    adjusted_of_norm: float
    """The adjusted abundance against random tables of those rows alone, which carry the spectrum."""
    is_rare_of_norm: bool
    """Whether IA is below the 1st percentile of such tables."""
    never_trained: bool = False
    """Whether it is known that no row was looked up in training."""
    rows_untouched: int = 0
    """The rows that look untouched by training, where it is not known which training looked up."""
    causes: Causes | None = None
    """What the adjusted abundance is without one thing; None if it was not measured."""
    since: int | None = None
    """The epoch since which it has been collapsed, 0 for the start; None if the run does not tell."""


def degree(evidence: Evidence) -> Degree:
    """Return how far a field's embeddings are collapsed."""
    too_small = evidence.rows_of_norm < FEWEST_ROWS or evidence.columns < 2
    if evidence.is_zero or evidence.never_trained or too_small:
        return Degree.NOT_JUDGED
    if not evidence.is_rare or not evidence.is_rare_of_norm:
        return Degree.SPREAD
    found = next((each for each, below in _BELOW.items() if evidence.adjusted_of_norm < below), Degree.SPREAD)
    return Degree.DOMINATED if found is not Degree.SPREAD and cause(evidence) else found


def cause(evidence: Evidence) -> Cause:
    """Return the one thing without which a field is like a random table, if there is one."""
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
    # The logarithm of the counts is nearly the same in all rows of many tables: what restores more is the cause.
    return max(around, key=lambda name: around[name]) if around else next(iter(below), Cause.NONE)


def without(of: Causes, name: Cause) -> Without:
    """Return what is left of a table without a cause."""
    things = {
        Cause.CONSTANT: of.constant,
        Cause.MEAN: of.mean,
        Cause.POPULARITY: of.popularity,
        Cause.FIRST: of.first,
    }
    return things[name]


def verdict(evidence: Evidence) -> str:
    """Say how far a field's embeddings are collapsed, and why.

    Parameters
    ----------
    evidence : Evidence
        The field's numbers.

    Returns
    -------
    str
        The degree, and what the table's columns do not say: the cause with the adjusted abundance without it; of a
        collapsed field the most that taking one thing away gives, and since when, if the run tells; why a field is
        not judged, or is spread out although its abundance is low.
    """
    found = degree(evidence)
    if found is Degree.NOT_JUDGED:
        return f"{found}: {_not_judged(evidence)}"
    untouched = f"; {evidence.rows_untouched:,} rows look untouched" if evidence.rows_untouched else ""
    return _judged(evidence, found) + untouched


def _judged(evidence: Evidence, found: Degree) -> str:
    """Say the degree with its reason."""
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
        return "a single column has a single direction"
    of_norm = " that are not zero" if evidence.rows_of_norm < evidence.rows else ""
    return f"{evidence.rows_of_norm} row{'s' * (evidence.rows_of_norm > 1)}{of_norm} cannot tell directions apart"


def _although_low(evidence: Evidence) -> str:
    """Say why a field of a low adjusted abundance is not collapsed."""
    if evidence.adjusted >= PARTLY_BELOW:
        return ""
    if not evidence.is_rare:
        return f": random tables of {evidence.rows} x {evidence.columns} have as little"
    return f" over the {evidence.rows_of_norm:,} rows that are not near zero: {evidence.adjusted_of_norm:.2f}"


def _follows(of: Causes) -> str:
    """Say what the first direction follows over the rows."""
    counts = max((of.alignment.counts, of.alignment.log_counts), default=0.0)
    return ", which follows row counts" if counts >= FOLLOWS and counts > of.alignment.mean else ""


def _at_most(of: Causes | None) -> str:
    """Say how little taking one thing away restores it: the most that one does."""
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
