"""Information abundance of random normal matrices, E[IA(randn)] of Appendix I."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from collapse.measures.abundance import abundance_of_spectrum

_BLOCK = 2**15
"""Singular values that are drawn at a time."""
DRAWS = 199
"""Matrices that are drawn. With 199, the percentiles are exact: 1 % of 200 is 2, and 2.5 % is 5. More draws would
make them steadier and a diagnosis slower."""
_TINY = 100
"""Matrices of at most this many entries are drawn ten times as often."""
_FORMULA = 9, 100
"""Numbers of rows and columns, or of the larger of the two, from which a formula gives the mean to within 1 %."""
_ANGLES = np.pi * np.arange(1, 65) / 65
"""Angles of a Gauss quadrature of 64 nodes (Chebyshev, second kind)."""
_NODES, _WEIGHTS = np.cos(_ANGLES), np.pi / 65 * np.sin(_ANGLES) ** 2
"""Nodes and weights for the integral of sqrt(1 - t^2) g(t) from -1 to 1."""
_FEW, _MORE = 8, 10
"""Matrices of up to 8 columns vary widely and are cheap to draw, so ten times as many are drawn."""


@dataclass(frozen=True, kw_only=True)
class RandomAbundance:
    """Information abundance of random normal matrices of one shape."""

    mean: float
    """Mean over the draws."""
    low: float
    """Another random matrix lies below this with a probability of 2.5 %."""
    high: float
    """Another random matrix lies above this with a probability of 2.5 %."""
    p01: float
    """Another random matrix lies below this with a probability of 1 %."""


@lru_cache(maxsize=4096)
def random_abundance(D: int, K: int, *, draws: int = DRAWS, seed: int = 0) -> RandomAbundance:
    """Draw the information abundance of random normal matrices.

    Parameters
    ----------
    D, K : int
        Rows and columns.
    draws : int
        Number of matrices. Ten times as many are drawn if D or K is at most 8.
    seed : int
        Seed of the draws.

    Returns
    -------
    RandomAbundance
        Mean, a 95 % interval and the 1st percentile. All are 1 if D or K is 1, and approach min(D, K) as D and K
        move apart.

    Raises
    ------
    ValueError
        If a size or the number of draws is below 1.

    Notes
    -----
    The bounds are order statistics. Of n + 1 exchangeable numbers, the last lies below the r-th smallest of the
    others with probability r / (n + 1), whatever their distribution. So exactly 5 % of random matrices lie outside
    the interval and 1 % below the 1st percentile, on average over the draws.

    Orthogonal maps reduce a normal (D, K) matrix with D >= K to a bidiagonal one with independent entries: square
    roots of chi^2 variables with D, D - 1, .. degrees of freedom on the diagonal, and with K - 1, K - 2, .. above
    it. A draw therefore takes K random numbers and K^2 operations, whatever D, and no (K, K) matrix. Draws are
    processed in blocks of limited memory.

    References
    ----------
    Silverstein, The smallest eigenvalue of a large dimensional Wishart matrix, Ann. Probab. 13, 1985; Dumitriu and
    Edelman, Matrix models for beta ensembles, J. Math. Phys. 43, 2002. The tests compare with Bartlett's
    triangular factor (1933), which needs K^2 / 2 random numbers.

    Examples
    --------
    >>> from collapse import random_abundance
    >>> round(random_abundance(100, 1).mean, 6)
    1.0
    >>> 3 < random_abundance(100, 4).mean < 4
    True
    """
    if min(D, K, draws) < 1:
        raise ValueError(f"D, K and draws must be at least 1, got {D}, {K} and {draws}")
    return _summary(_random_blocks(D, K, draws=draws * (_MORE if min(D, K) <= _FEW else 1), seed=seed))


@lru_cache(maxsize=4096)
def heavy_tailed_p01(D: int, K: int, *, seed: int = 0) -> float:
    """Draw the 1st percentile of the information abundance of heavy-tailed random matrices.

    A single large entry lowers the abundance of a small table. With 5 rows and 2 columns, 1 % of normal tables lie
    below the percentile of `random_abundance`, but 2 % of heavy-tailed ones.

    Parameters
    ----------
    D, K : int
        Rows and columns. All entries are drawn, so they should be few. The entries follow Student's t with 5
        degrees of freedom (kurtosis 9), in 999 to 9,999 matrices.
    seed : int
        Seed of the draws.

    Returns
    -------
    float
        Another such matrix lies below this with a probability of 1 %.
    """
    draws = 9999 if D * K <= _TINY else 999
    drawn = np.random.default_rng(seed).standard_t(5, size=(draws, max(D, K), min(D, K)))
    abundances = np.sort(abundance_of_spectrum(np.linalg.svd(drawn, compute_uv=False)))
    return float(abundances[(draws + 1) // 100 - 1])


@dataclass(frozen=True, kw_only=True)
class RandomMean:
    """E[IA(random)] of one shape, which also gives that of other shapes without drawing."""

    mean: float
    """Mean over the draws of this shape."""
    D: int
    """Rows of the shape."""
    K: int
    """Columns of the shape."""
    seed: int
    """Seed of the draws for shapes that are too small for a formula."""

    def of(self, D: int, K: int) -> float:
        """Return the mean for another shape.

        Parameters
        ----------
        D, K : int
            Rows and columns.

        Returns
        -------
        float
            The mean of this shape, scaled by the ratio of `expected_abundance` of the two shapes. The tests check
            that IA - 1 is within 1 % for shapes of at least 9 rows and columns, or at least 100 of either. For
            smaller shapes, the mean of 250 draws.
        """
        few, many = min(D, K, self.D, self.K), min(max(D, K), max(self.D, self.K))
        if few >= _FORMULA[0] or (few >= 2 and many >= _FORMULA[1]):
            return self.mean * expected_abundance(D, K) / expected_abundance(self.D, self.K)
        return random_abundance(D, K, draws=250 // (_MORE if min(D, K) <= _FEW else 1), seed=self.seed).mean


def expected_abundance(D: int, K: int) -> float:
    """Approximate E[IA(random)] of a normal matrix by its limit, without drawing.

    Parameters
    ----------
    D, K : int
        Rows and columns, at least 2.

    Returns
    -------
    float
        The sum of the singular values by the Marchenko-Pastur law, divided by the mean of the largest in the
        Tracy-Widom law. Within 1 to 2 % of the mean over draws from about ten rows and columns.

    Notes
    -----
    With y = K / D <= 1 and x = sigma^2 / D between a = (1 - sqrt y)^2 and b = (1 + sqrt y)^2, the density of x is
    sqrt((b - x) (x - a)) / (2 pi y x), so the mean of sqrt x is a Gauss-Chebyshev sum of the second kind. The
    largest sigma^2 is about mu - 1.2065 s with mu = (sqrt(D - 1) + sqrt K)^2 and s = (sqrt(D - 1) + sqrt K) (1 /
    sqrt(D - 1) + 1 / sqrt K)^(1/3).

    References
    ----------
    Marchenko and Pastur, Math. USSR Sbornik 1, 1967; Johnstone, On the distribution of the largest eigenvalue in
    principal components analysis, Ann. Statist. 29, 2001.
    """
    D, K = max(D, K), min(D, K)
    root = np.sqrt(K / D)
    x = 1 + root**2 + 2 * root * _NODES
    sqrt_x = float((_WEIGHTS / np.sqrt(x)).sum()) * 2 / np.pi
    edge = np.sqrt(D - 1) + np.sqrt(K)
    scale = edge * (1 / np.sqrt(D - 1) + 1 / np.sqrt(K)) ** (1 / 3)
    return float(K * np.sqrt(D) * sqrt_x / np.sqrt(edge**2 - 1.2065 * scale))


def weighted_random_abundance(
    weights: NDArray[Any], K: int, *, draws: int = DRAWS, seed: int = 0
) -> RandomAbundance:
    """Draw the information abundance of random normal matrices with weighted rows.

    Parameters
    ----------
    weights : (D,) array
        Non-negative weights w of the rows. The matrices are diag(w)^1/2 G, as `singular_values` weights a table.
    K : int
        Columns.
    draws : int
        Number of matrices.
    seed : int
        Seed of the draws.

    Returns
    -------
    RandomAbundance
        Mean, a 95 % interval and the 1st percentile. With equal weights they are close to those of
        `random_abundance`.

    Raises
    ------
    ValueError
        If no weight is positive, or the number of columns or draws is below 1.

    Notes
    -----
    The Gram matrix is sum_d w_d g_d g_d^T. The 4 K or more rows with the largest weights are drawn one by one. The
    many small ones are drawn together as a Wishart matrix a W_n with the same mean and variance, a n = sum w and
    a^2 n = sum w^2, n >= 4 K (Satterthwaite, Biometrics Bulletin 2, 1946). If there are fewer, all rows are drawn.
    """
    weights = np.sort(np.asarray(weights, dtype=np.float64)[np.asarray(weights) > 0])[::-1]
    if min(len(weights), K, draws) < 1:
        raise ValueError(
            f"columns and draws must be at least 1 and some weight positive, got {K} columns, {draws} draws and "
            f"{len(weights)} weights"
        )
    single = 4 * K
    while single < len(weights) and _degrees(weights[single:]) < 4 * K:
        single *= 2
    return _summary(_weighted_spectra(weights[:single], weights[single:], K, draws=draws, seed=seed))


def _degrees(weights: NDArray[np.float64]) -> float:
    return float(weights.sum() ** 2 / (weights @ weights))


def _weighted_spectra(
    single: NDArray[np.float64], rest: NDArray[np.float64], K: int, *, draws: int, seed: int
) -> Iterator[NDArray[np.float64]]:
    generator, roots = np.random.default_rng(seed), np.sqrt(single)[:, None]
    if len(rest):
        degrees, root_scale = _degrees(rest) - np.arange(K), np.sqrt((rest @ rest) / rest.sum())
    for _ in range(draws):
        rows = roots * generator.standard_normal((len(single), K))
        if len(rest):
            factor = np.triu(generator.standard_normal((K, K)), 1)
            factor[np.diag_indices(K)] = np.sqrt(generator.chisquare(degrees))
            rows = np.vstack([rows, root_scale * factor])
        yield np.asarray(np.linalg.svd(rows, compute_uv=False), dtype=np.float64)


def _summary(spectra: Iterable[NDArray[np.float64]]) -> RandomAbundance:
    drawn = np.sort(np.concatenate([np.atleast_1d(abundance_of_spectrum(sigma)) for sigma in spectra]))
    outside, lowest = (max(1, int(fraction * (len(drawn) + 1))) for fraction in (0.025, 0.01))
    return RandomAbundance(
        mean=float(np.mean(drawn)),
        low=float(drawn[outside - 1]),
        high=float(drawn[-outside]),
        p01=float(drawn[lowest - 1]),
    )


def random_spectra(D: int, K: int, *, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Draw the singular values of standard normal matrices.

    Parameters
    ----------
    D, K : int
        Rows and columns.
    draws : int
        Number of matrices.
    seed : int
        Seed of the draws.

    Yields
    ------
    (min(D, K),) float64 array
        Singular values, descending.
    """
    for block in _random_blocks(D, K, draws=draws, seed=seed):
        yield from block


def _random_blocks(D: int, K: int, *, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield blocks of spectra, shape (n, min(D, K)), each of limited size."""
    generator = np.random.default_rng(seed)
    D, K = max(D, K), min(D, K)
    degrees = np.concatenate([np.arange(D, D - K, -1), np.arange(K - 1, 0, -1)])
    at_a_time = max(1, _BLOCK // K)
    for first in range(0, draws, at_a_time):
        drawn = generator.chisquare(degrees, size=(min(at_a_time, draws - first), len(degrees)))
        diagonal, above = drawn[:, :K], drawn[:, K:]
        # B^T B is tridiagonal if B is bidiagonal.
        squares, beside = diagonal.copy(), np.sqrt(diagonal[:, :-1] * above)
        squares[:, 1:] += above
        if K > 1:
            for draw, off in zip(squares, beside, strict=True):
                draw[:], failed = linalg.lapack.dsterf(draw, off)
                assert not failed
        yield np.sqrt(np.maximum(squares[:, ::-1], 0))


@lru_cache(maxsize=4096)
def random_diversity(D: int, K: int, *, draws: int = DRAWS, seed: int = 0) -> float:
    """Draw the mean diversity of two random normal sets, the paper's div = 1 - ||cos phi||_1 / K (Figure 10a).

    Parameters
    ----------
    D, K : int
        Rows and columns of each set.
    draws : int
        Number of pairs.
    seed : int
        Seed of the draws.

    Returns
    -------
    float
        1 - D / K if D <= K, because every cosine is then 1; it approaches 1 as D / K grows.

    Raises
    ------
    ValueError
        If a size or the number of draws is below 1.

    Notes
    -----
    In a basis of the first span, the second is a normal matrix of K rows above one of D - K rows. The squared
    cosines are therefore distributed like the eigenvalues of W_1 (W_1 + W_2)^-1, with Wishart matrices of K and D
    - K degrees of freedom (the multivariate beta law; Muirhead, Aspects of Multivariate Statistical Theory, 1982,
    Section 3.3). W_2 needs D - K >= K. With fewer rows, two spans have 2 K - D common directions, and the other
    angles are those of the complements.
    """
    if min(D, K, draws) < 1:
        raise ValueError(f"D, K and draws must be at least 1, got {D}, {K} and {draws}")
    common = min(D, K) if D <= K else max(0, 2 * K - D)
    free = 0 if D <= K else min(K, D - K)
    generator = np.random.default_rng(seed)
    sums = [_random_cosines(D, free, generator).sum() + common for _ in range(draws if free else 1)]
    return float(1 - np.mean(sums) / K)


def _random_cosines(D: int, K: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw the cosines of two random K-dimensional spans in D >= 2 K dimensions."""
    top = generator.standard_normal((K, K))
    below = np.triu(generator.standard_normal((K, K)), 1)
    below[np.diag_indices(K)] = np.sqrt(generator.chisquare(D - K - np.arange(K)))
    stacked: NDArray[np.float64] = np.linalg.qr(np.vstack([top, below])).Q
    return np.asarray(np.linalg.svd(stacked[:K], compute_uv=False), dtype=np.float64)
