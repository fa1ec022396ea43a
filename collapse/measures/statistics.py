"""Intervals and tests over initialisations: Student's t with the error of the test rows, exact binomial, and Holm.

The unit is the initialisation: one number each. Fields and models are fixed: what is said is said of these.

Shapes: S initialisations, C claims.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Of every interval."""
FEWEST = 5
"""Initialisations below which nothing is judged: of three, an interval is 2.5 times as wide as of many."""
MOST_NEEDED = 1000
"""Initialisations above which the number that would tell is not given: nobody trains as many."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An effect, and what is known of its error."""

    effect: float
    """The mean over the initialisations."""
    low: float
    """The lower end of the 95 % interval; NaN where there is none."""
    high: float
    """The upper end."""
    error: float
    """The standard error, of initialisations and test rows."""
    freedom: float
    """Its degrees of freedom (Satterthwaite)."""
    initialisations: int
    """S."""
    deviation: float
    """The standard deviation over the initialisations."""
    row_variance: float = 0.0
    """The part of the squared error that is the test rows'; no more initialisations lessen it."""


def estimate(values_S: Sequence[float] | NDArray[np.float64], *, row_variance: float = 0.0) -> Estimate:
    """Estimate an effect from one number per initialisation.

    Parameters
    ----------
    values_S : (S,) array
        The numbers.
    row_variance : float
        The variance of their mean that comes from the test rows, which all initialisations have in common.

    Returns
    -------
    Estimate
        The mean with a Student t interval; without an interval for a single initialisation, or where a number is
        NaN.

    Notes
    -----
    The squared error is s^2 / S + v, v of the test rows. Its degrees of freedom are
    (S - 1) / r^2, r the part of s^2 / S in it, as v is known from many rows (Satterthwaite, Biometrics Bulletin 2,
    1946).
    """
    from scipy import stats

    values = np.asarray(values_S, np.float64)
    S = len(values)
    effect = float(values.mean()) if S else float("nan")
    if S < 2 or not np.isfinite(values).all() or not np.isfinite(row_variance):
        nan = float("nan")
        return Estimate(
            effect=effect, low=nan, high=nan, error=nan, freedom=nan, initialisations=S, deviation=nan,
            row_variance=row_variance,
        )  # fmt: skip
    deviation = float(values.std(ddof=1))
    error, freedom = _error(deviation, S, row_variance)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    return Estimate(
        effect=effect,
        low=effect - reach,
        high=effect + reach,
        error=error,
        freedom=freedom,
        initialisations=S,
        deviation=deviation,
        row_variance=row_variance,
    )


def _error(deviation: float, S: int, row_variance: float) -> tuple[float, float]:
    """Return the standard error and its degrees of freedom."""
    of_seeds = deviation**2 / S
    error = math.sqrt(of_seeds + row_variance)
    part = of_seeds / (of_seeds + row_variance) if of_seeds + row_variance > 0 else 0.0
    return error, (S - 1) / part**2 if part > 1e-100 else math.inf


def p_above(found: Estimate, bound: float) -> float:
    """Return how likely an effect this high is, or a higher one, where the truth is at most a bound (one-sided).

    Parameters
    ----------
    found : Estimate
        The effect.
    bound : float
        The bound.

    Returns
    -------
    float
        From 0 to 1; NaN without an error.
    """
    from scipy import stats

    distance = found.effect - bound
    if not np.isfinite(found.error):
        return float("nan")
    if found.error == 0:
        return 0.0 if distance > 0 else 1.0
    return float(stats.t.sf(distance / found.error, found.freedom))


def p_below(found: Estimate, bound: float) -> float:
    """Return the same of an effect this low, where the truth is at least a bound."""
    return p_above(replace(found, effect=-found.effect), -bound)


def fraction_interval(found: int, of: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share (Clopper and Pearson, Biometrika 26, 1934)."""
    from scipy import stats

    interval = stats.binomtest(found, of).proportion_ci(LEVEL, "exact")
    return float(interval.low), float(interval.high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct the p-values of several claims, so that any false verdict among them has 5 %.

    Parameters
    ----------
    p_values : sequence of float
        One per claim; NaN for a claim that was not tested, which does not count.

    Returns
    -------
    list of float
        Adjusted: a claim is told at 5 % where its adjusted value is at most 0.05.

    References
    ----------
    Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979.
    """
    adjusted = [float("nan")] * len(p_values)
    order = sorted((p, number) for number, p in enumerate(p_values) if not math.isnan(p))
    largest = 0.0
    for rank, (p, number) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[number] = largest
    return adjusted


def initialisations_needed(found: Estimate, bound: float) -> int | None:
    """Return how many initialisations would tell an effect like this from a bound, uncorrected.

    Parameters
    ----------
    found : Estimate
        The effect and deviation that were seen.
    bound : float
        What it is to be told from.

    Returns
    -------
    int or None
        The fewest whose 95 % interval would leave the bound out, if the effect and the deviation stay as they are;
        None where not even a thousand would, such as for the error of the test rows.
    """
    from scipy import stats

    distance = abs(found.effect - bound)
    if not np.isfinite(found.deviation):
        return None

    def tells(S: int) -> bool:
        error, freedom = _error(found.deviation, S, found.row_variance)
        return bool(stats.t.ppf((1 + LEVEL) / 2, freedom) * error < distance)

    # The interval narrows with every initialisation.
    counts = range(2, MOST_NEEDED + 1)
    place = bisect_left(counts, True, key=tells)
    return counts[place] if place < len(counts) else None
