"""How many directions a spectrum has: the measures of other papers, beside information abundance.

Shapes: D rows of a table (cardinality), K columns, R = min(D, K).
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from collapse.measures.abundance import normalised_spectrum

_HALVINGS = 50
"""Of an interval that holds a median: to float64's precision."""


def effective_rank(sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """Exponential of the entropy of sigma / sum sigma.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.

    Returns
    -------
    (...) array
        From 1, for rank one, to R, where all singular values are equal; 0 where all are zero.

    References
    ----------
    Roy and Vetterli, The effective rank, EUSIPCO 2007. RankMe (Garrido et al., ICML 2023) is the same of a table
    of representations, with 1e-7 added to each share.
    """
    relative = normalised_spectrum(sigma)
    fractions = relative / np.maximum(relative.sum(axis=-1, keepdims=True), 1)
    logarithms = np.log(fractions, out=np.zeros_like(fractions), where=fractions > 0)
    return _of_spectrum(np.exp(-(fractions * logarithms).sum(axis=-1)), sigma)


def stable_rank(sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """Sum of the energies over the largest, sum sigma^2 / max sigma^2 = ||E||_F^2 / ||E||_2^2.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.

    Returns
    -------
    (...) array
        From 1, for rank one, to R, where all singular values are equal; 0 where all are zero. Information
        abundance is the same of the singular values themselves, and never below it.

    References
    ----------
    Rudelson and Vershynin, Sampling from large matrices, J. ACM 54, 2007.
    """
    return np.asarray((normalised_spectrum(sigma) ** 2).sum(axis=-1))


def participation_ratio(sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """(sum sigma^2)^2 / sum sigma^4.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.

    Returns
    -------
    (...) array
        From 1, for rank one, to R, where all singular values are equal; 0 where all are zero.

    References
    ----------
    Gao et al., A theory of multineuronal dimensionality, dynamics and measurement, bioRxiv 214262, 2017, of the
    eigenvalues of a covariance; here of E^T E, uncentred.
    """
    energy = normalised_spectrum(sigma) ** 2
    return _of_spectrum(energy.sum(axis=-1) ** 2 / np.maximum((energy**2).sum(axis=-1), 1), sigma)


def first_direction_fraction(sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of the energy that the first direction takes, max sigma^2 / sum sigma^2.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.

    Returns
    -------
    (...) array
        From 1 / R, where all singular values are equal, to 1, for rank one; 0 where all are zero.
    """
    return _of_spectrum(1 / np.maximum(stable_rank(sigma), 1), sigma)


def directions_for_energy(sigma: NDArray[np.floating], *, fraction: float = 0.99) -> NDArray[np.intp]:
    """Least number of directions that hold a share of the energy sum sigma^2.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.
    fraction : float
        The share, from 0 exclusive to 1.

    Returns
    -------
    (...) array of int
        From 1 to R; 0 where all singular values are zero. All equal and share 1 give R, rank one gives 1.
    """
    held = np.cumsum(normalised_spectrum(sigma) ** 2, axis=-1)
    total = held[..., -1:]
    return np.where(total[..., 0] > 0, np.count_nonzero(held < fraction * total, axis=-1) + 1, 0)


def directions_above_bulk(sigma: NDArray[np.floating], D: int, K: int) -> NDArray[np.intp]:
    """Count the directions that stand above the Marchenko-Pastur bulk of the table.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.
    D, K : int
        Rows and columns of the table.

    Returns
    -------
    (...) array of int
        From 0, as for a random normal matrix (but for fluctuations of the largest, some D^-2/3 of it), to R / 2:
        the bulk is scaled to the median of the singular values. 0 where the median is zero.

    Notes
    -----
    Independent entries of variance s^2 have singular values between s (sqrt D - sqrt K) and s (sqrt D + sqrt K),
    and s is estimated as median(sigma) / sqrt(max(D, K) mu), mu the median of the Marchenko-Pastur law.

    References
    ----------
    Marchenko and Pastur, 1967; the estimate of s is Gavish and Donoho's, The optimal hard threshold for singular
    values is 4 / sqrt 3, IEEE Trans. Inf. Theory 60, 2014, Section III.E; counting what lies above is Martin and
    Mahoney's, Implicit self-regularization in deep neural networks, JMLR 22, 2021.
    """
    long, short = max(D, K), min(D, K)
    relative = normalised_spectrum(sigma)
    s = np.median(relative, axis=-1, keepdims=True) / np.sqrt(long * bulk_median(short / long))
    above = relative > s * (np.sqrt(D) + np.sqrt(K))
    return np.where(s[..., 0] > 0, np.count_nonzero(above, axis=-1), 0)


@lru_cache(maxsize=4096)
def bulk_median(aspect: float) -> float:
    """Return the median of the Marchenko-Pastur law of a ratio of sizes, 0 < aspect <= 1, and variance 1."""
    low, high = (1 - math.sqrt(aspect)) ** 2, (1 + math.sqrt(aspect)) ** 2

    def fraction_below(x: float) -> float:
        # The law's distribution function in closed form.
        r = math.sqrt((high - x) / (x - low))
        fraction = math.pi * aspect + math.sqrt((high - x) * (x - low))
        fraction -= (1 + aspect) * math.atan((r**2 - 1) / (2 * r))
        if aspect < 1:
            fraction += (1 - aspect) * math.atan((low * r**2 - high) / (2 * (1 - aspect) * r))
        return fraction / (2 * math.pi * aspect)

    left, right = low, high
    for _ in range(_HALVINGS):
        middle = (left + right) / 2
        left, right = (middle, right) if fraction_below(middle) < 0.5 else (left, middle)
    return (left + right) / 2


def _of_spectrum(measure: NDArray[np.float64], sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give a spectrum of zeros a measure of 0."""
    return np.where(sigma[..., 0] > 0, measure, 0.0)
