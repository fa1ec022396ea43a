"""What a random normal matrix of the same shape would have, E[IA(randn)] of Appendix I."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from collapse.analysis.measures.abundance import abundance_of_spectrum


@dataclass(frozen=True, kw_only=True)
class RandomAbundance:
    """Information abundance of random normal matrices of one shape."""

    mean: float
    """The mean over the draws."""
    low: float
    """Their 2.5th percentile."""
    high: float
    """Their 97.5th percentile."""


@lru_cache(maxsize=4096)
def random_abundance(D: int, K: int, *, draws: int = 64, seed: int = 0) -> RandomAbundance:
    """Draw the information abundance of random normal matrices.

    Parameters
    ----------
    D, K : int
        Rows and columns.
    draws : int
        How many matrices.
    seed : int
        The seed of the draws.

    Returns
    -------
    RandomAbundance
        Mean and a 95 % band. It is 1 where D or K is 1, and comes near min(D, K) where D and K are far apart.

    Raises
    ------
    ValueError
        If a size or the number of draws is below 1.

    Notes
    -----
    By Bartlett's decomposition the triangular factor of a normal (D, K) matrix, D >= K, has on its diagonal the
    roots of chi^2 numbers of D, D - 1, .. degrees of freedom and above it standard normal ones, all independent.
    Its spectrum has the law of the whole matrix's, at a cost without D.

    References
    ----------
    Bartlett, On the theory of statistical regression, Proc. R. Soc. Edinburgh 53, 1933.
    """
    if min(D, K, draws) < 1:
        raise ValueError(f"a matrix of shape ({D}, {K}) cannot be drawn {draws} times")
    sigma = np.linalg.svd(bartlett_factors(max(D, K), min(D, K), draws=draws, seed=seed), compute_uv=False)
    abundance = abundance_of_spectrum(sigma)
    low, high = np.percentile(abundance, [2.5, 97.5])
    return RandomAbundance(mean=float(abundance.mean()), low=float(low), high=float(high))


def bartlett_factors(D: int, K: int, *, draws: int, seed: int) -> NDArray[np.float64]:
    """Draw triangular factors of normal (D, K) matrices.

    Parameters
    ----------
    D, K : int
        Rows and columns, D >= K.
    draws : int
        How many.
    seed : int
        The seed.

    Returns
    -------
    (draws, K, K) array
        Upper triangular, each with the singular values' law of a standard normal (D, K) matrix.
    """
    generator = np.random.default_rng(seed)
    factors = np.triu(generator.standard_normal((draws, K, K)), 1)
    diagonal = np.arange(K)
    factors[:, diagonal, diagonal] = np.sqrt(generator.chisquare(D - diagonal, (draws, K)))
    return factors
