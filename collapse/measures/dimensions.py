"""Other measures of how many directions a spectrum has.

Shapes: D rows of a table (cardinality), K columns, R = min(D, K).
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from collapse.measures.abundance import normalised_spectrum

_HALVINGS = 50
"""Bisections of an interval, enough for float64 precision."""


def effective_rank(sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """Exponential of the entropy of sigma / sum sigma.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.

    Returns
    -------
    (...) array
        From 1 (rank one) to R (all singular values equal); 0 where all are zero.

    References
    ----------
    Roy and Vetterli, The effective rank, EUSIPCO 2007. RankMe (Garrido et al., ICML 2023) is the same measure of a
    table of representations, with 1e-7 added to each fraction.
    """
    relative = normalised_spectrum(sigma)
    fractions = relative / np.maximum(relative.sum(axis=-1, keepdims=True), 1)
    logarithms = np.log(fractions, out=np.zeros_like(fractions), where=fractions > 0)
    return _of_spectrum(np.exp(-(fractions * logarithms).sum(axis=-1)), sigma)


def stable_rank(sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """Stable rank, sum sigma^2 / max sigma^2 = ||E||_F^2 / ||E||_2^2.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.

    Returns
    -------
    (...) array
        From 1 (rank one) to R (all singular values equal); 0 where all are zero. Never larger than information
        abundance, which has the same form without the squares.

    References
    ----------
    Rudelson and Vershynin, Sampling from large matrices, J. ACM 54, 2007.
    """
    return np.asarray((normalised_spectrum(sigma) ** 2).sum(axis=-1))


def participation_ratio(sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """Participation ratio, (sum sigma^2)^2 / sum sigma^4.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.

    Returns
    -------
    (...) array
        From 1 (rank one) to R (all singular values equal); 0 where all are zero.

    References
    ----------
    Gao et al., A theory of multineuronal dimensionality, dynamics and measurement, bioRxiv 214262, 2017, for the
    eigenvalues of a covariance; here for those of E^T E, not centred.
    """
    energy = normalised_spectrum(sigma) ** 2
    return _of_spectrum(energy.sum(axis=-1) ** 2 / np.maximum((energy**2).sum(axis=-1), 1), sigma)


def first_direction_fraction(sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """Fraction of the energy in the first direction, max sigma^2 / sum sigma^2.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.

    Returns
    -------
    (...) array
        From 1 / R (all singular values equal) to 1 (rank one); 0 where all are zero.
    """
    return _of_spectrum(1 / np.maximum(stable_rank(sigma), 1), sigma)


def directions_for_energy(sigma: NDArray[np.floating], *, fraction: float = 0.99) -> NDArray[np.intp]:
    """Smallest number of directions that hold a fraction of the energy sum sigma^2.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.
    fraction : float
        The fraction, above 0 and at most 1.

    Returns
    -------
    (...) array of int
        From 1 to R; 0 where all singular values are zero. It is 1 at rank one, and R if all singular values are
        equal and the fraction is 1.
    """
    held = np.cumsum(normalised_spectrum(sigma) ** 2, axis=-1)
    total = held[..., -1:]
    return np.where(total[..., 0] > 0, np.count_nonzero(held < fraction * total, axis=-1) + 1, 0)


def directions_above_bulk(sigma: NDArray[np.floating], D: int, K: int) -> NDArray[np.intp]:
    """Count the directions above the Marchenko-Pastur bulk of a table.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.
    D, K : int
        Rows and columns of the table.

    Returns
    -------
    (...) array of int
        From 0 to R / 2, because the bulk is scaled to the median of the singular values; 0 where the median is
        zero. It is 0 for a random normal matrix, apart from fluctuations of the largest singular value of relative
        size D^(-2/3).

    Notes
    -----
    Independent entries of variance s^2 have singular values between s (sqrt D - sqrt K) and s (sqrt D + sqrt K).
    The estimate of s is median(sigma) / sqrt(max(D, K) mu), where mu is the median of the Marchenko-Pastur law.

    References
    ----------
    Marchenko and Pastur, 1967. The estimate of s is from Gavish and Donoho, The optimal hard threshold for
    singular values is 4 / sqrt 3, IEEE Trans. Inf. Theory 60, 2014, Section III.E. Counting what lies above is
    from Martin and Mahoney, Implicit self-regularization in deep neural networks, JMLR 22, 2021.
    """
    long, short = max(D, K), min(D, K)
    relative = normalised_spectrum(sigma)
    s = np.median(relative, axis=-1, keepdims=True) / np.sqrt(long * bulk_median(short / long))
    above = relative > s * (np.sqrt(D) + np.sqrt(K))
    return np.where(s[..., 0] > 0, np.count_nonzero(above, axis=-1), 0)


@lru_cache(maxsize=4096)
def bulk_median(aspect: float) -> float:
    """Return the median of the Marchenko-Pastur law with variance 1 and ratio 0 < aspect <= 1."""
    low, high = (1 - math.sqrt(aspect)) ** 2, (1 + math.sqrt(aspect)) ** 2

    def fraction_below(x: float) -> float:
        # The distribution function in closed form.
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
    """Set the measure of an all-zero spectrum to 0."""
    return np.where(sigma[..., 0] > 0, measure, 0.0)
