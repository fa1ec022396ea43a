"""Intervals and tests over initialisations: Student's t with the error of the test rows, exact binomial, Holm.

The unit is the initialisation, with one number each. Fields and models are fixed, so conclusions are about these.

Shapes: S initialisations, C claims.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Confidence level of all intervals."""
FEWEST = 5
"""Fewest initialisations that are judged. With three, an interval is 2.5 times as wide as with many."""
MOST_NEEDED = 1000
"""Largest number of initialisations that is recommended; nobody trains more."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An effect with its error."""

    effect: float
    """Mean over the initialisations."""
    low: float
    """Lower end of the 95 % interval; NaN without an interval."""
    high: float
    """Upper end of the 95 % interval."""
    error: float
    """Standard error from initialisations and test rows."""
    freedom: float
    """Degrees of freedom of the standard error (Satterthwaite)."""
    initialisations: int
    """Number S of initialisations."""
    deviation: float
    """Standard deviation over the initialisations."""
    row_variance: float = 0.0
    """Part of the squared error that comes from the test rows, which more initialisations do not reduce."""


def estimate(values_S: Sequence[float] | NDArray[np.float64], *, row_variance: float = 0.0) -> Estimate:
    """Estimate an effect from one number per initialisation.

    Parameters
    ----------
    values_S : (S,) array
        The numbers.
    row_variance : float
        Variance of their mean that comes from the test rows, which all initialisations share.

    Returns
    -------
    Estimate
        The mean with a Student t interval. There is no interval for a single initialisation, or if a number is
        NaN.

    Notes
    -----
    The squared error is s^2 / S + v, with v from the test rows. Its degrees of freedom are (S - 1) / r^2, where r
    is the fraction of s^2 / S in it, because v is known from many rows (Satterthwaite, Biometrics Bulletin 2,
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
    """Return the one-sided p-value of an effect this high or higher, if the truth is at most a bound.

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
    """Return the one-sided p-value of an effect this low or lower, if the truth is at least a bound."""
    return p_above(replace(found, effect=-found.effect), -bound)


def fraction_interval(found: int, of: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a fraction (Clopper and Pearson, Biometrika 26, 1934)."""
    from scipy import stats

    interval = stats.binomtest(found, of).proportion_ci(LEVEL, "exact")
    return float(interval.low), float(interval.high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values so that the probability of any false verdict among them is at most 5 %.

    Parameters
    ----------
    p_values : sequence of float
        One per claim. NaN marks a claim that was not tested and does not count.

    Returns
    -------
    list of float
        Adjusted p-values. A claim is significant at 5 % if its adjusted value is at most 0.05.

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
    """Return how many initialisations would distinguish an effect like this from a bound, without correction.

    Parameters
    ----------
    found : Estimate
        The effect and its standard deviation.
    bound : float
        The bound.

    Returns
    -------
    int or None
        The fewest initialisations whose 95 % interval would exclude the bound, if the effect and the standard
        deviation stay the same. None if a thousand are not enough, for example because of the error of the test
        rows.
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
