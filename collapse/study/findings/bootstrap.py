"""Bootstrap intervals over initialisations and fields.

Shapes: S initialisations, U units (fields, models, ..), C columns (the numbers of a unit), R resamples.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From (.., U, C) to (..)."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An effect and the interval around it."""

    effect: float
    """The mean of the statistic over the initialisations."""
    low: float
    """The lower end of the percentile interval."""
    high: float
    """The upper end."""


def mean(values_UC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the first column over the units."""
    return np.asarray(values_UC[..., 0].mean(-1))


def pearson(values_UC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's r of the first two columns over the units; NaN where one is constant."""
    centred = values_UC[..., :2] - values_UC[..., :2].mean(-2, keepdims=True)
    x, y = np.moveaxis(centred, -1, 0)
    # Rounding leaves a constant column a variance of some 1e-32 of its square: it has no correlation.
    spread = np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    size = np.abs(values_UC[..., :2]).max(-2).prod(-1) * values_UC.shape[-2]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 1e-12 * size, (x * y).sum(-1) / spread, np.nan)


def less_pearson(values_UC: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's r of the first two columns less that of the next two."""
    return pearson(values_UC[..., :2]) - pearson(values_UC[..., 2:])


def interval(
    values_SUC: NDArray[np.float64],
    statistic: Statistic = mean,
    *,
    level: float = 0.95,
    resamples: int = 4000,
    seed: int = 0,
) -> Interval:
    """Return the mean of a statistic over initialisations, and its percentile bootstrap interval.

    Parameters
    ----------
    values_SUC : NDArray of shape (S, U, C)
        The numbers of every initialisation and unit.
    statistic : callable
        What is taken over the units of one initialisation.
    level : float
        The probability that the interval stands for.
    resamples : int
        R.
    seed : int
        Of the resampling.

    Returns
    -------
    Interval
        The effect and the interval.

    Raises
    ------
    ValueError
        If there are no values.

    Notes
    -----
    Initialisations and units are drawn with replacement, apart from each other, since a field's level is common to
    all initialisations. The interval is what these runs and fields can tell: of S = 3 initialisations and one
    unit it reaches from the smallest value to the largest. Resamples in which the statistic is not defined are
    left out.
    """
    S, U, _ = values_SUC.shape
    if not S or not U:
        raise ValueError("there is nothing to take an interval of")
    effect = float(np.mean(statistic(values_SUC)))
    generator = np.random.default_rng(seed)
    units_RU = generator.integers(U, size=(resamples, U)) if U > 1 else np.zeros((resamples, 1), dtype=int)
    found_SR = np.stack([statistic(values_UC[units_RU]) for values_UC in values_SUC])
    runs_RS = generator.integers(S, size=(resamples, S))
    drawn_R = np.take_along_axis(found_SR.T, runs_RS, axis=1).mean(1)
    outside = (1 - level) / 2
    low, high = np.nanquantile(drawn_R, [outside, 1 - outside]) if np.isfinite(drawn_R).any() else (np.nan, np.nan)
    return Interval(effect=effect, low=float(low), high=float(high))
