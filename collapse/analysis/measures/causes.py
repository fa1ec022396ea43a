"""What a table's abundance is without one thing: its mean row, its constant columns, its first direction.

All are changes of rank one, or a choice of columns, of the (K, K) Gram matrix, so no row is read again.

Shapes: D rows of a table (cardinality), K columns, R = min(D, K).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collapse.analysis.measures.abundance import abundance_of_spectrum, adjusted_abundance
from collapse.analysis.measures.random_matrix import random_abundance
from collapse.analysis.measures.spectra import Spectrum

_DRAWS = 19
"""Random matrices for a mean alone, which they give to half a per cent: a tenth of what a diagnosis draws."""
CONSTANT = 1e-10
"""A column is constant if its variance is below this times its mean square: a deviation of 1e-5 of its mean, far
above what sums in float64 round, and far below what any training leaves."""


@dataclass(frozen=True, kw_only=True)
class Without:
    """What is left of a table once one thing is taken away."""

    adjusted: float
    """The adjusted abundance of what is left; NaN where nothing is, or where there was nothing to take away."""
    energy: float
    """The fraction of the energy sum sigma^2 that is left, from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Causes:
    """The adjusted abundance of a table without one thing each."""

    mean: Without
    """Centred: without the mean row, which all rows have in common."""
    constant: Without
    """Without the columns that are constant."""
    constant_columns: int
    """How many those are."""
    first: Without
    """Without the first direction."""


def causes(spectrum: Spectrum, total: NDArray[np.float64], weight: float, D: int, *, seed: int) -> Causes:
    """Measure a table without its mean row, its constant columns and its first direction.

    Parameters
    ----------
    spectrum : Spectrum
        The table's singular values and right singular vectors.
    total : (K,) array
        The sum of its rows, each times its weight, over the scale of the spectrum.
    weight : float
        The sum of the weights: D where all are 1.
    D : int
        The rows that entered.
    seed : int
        The seed of the random matrices.

    Returns
    -------
    Causes
        The numbers; of a table of zeros, NaN.
    """
    K = len(spectrum.V)
    G = (spectrum.V * spectrum.values**2) @ spectrum.V.T
    energy = float(np.trace(G))
    centred = G - np.outer(total, total) / weight
    is_constant = (np.diagonal(G) > 0) & (np.diagonal(centred) <= CONSTANT * np.diagonal(G))
    kept = ~is_constant
    constants = int(is_constant.sum())
    return Causes(
        mean=_without(_spectrum(centred), energy, D - 1, K, seed),
        constant=_without(_spectrum(G[np.ix_(kept, kept)]), energy, D, K - constants if constants else 0, seed),
        constant_columns=constants,
        first=_without(spectrum.values[1:], energy, D - 1, K - 1, seed),
    )


def _spectrum(G: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the singular values of a table from its Gram matrix, descending; what is rounding is zero."""
    L = np.linalg.eigvalsh(G)[::-1] if len(G) else np.zeros(0)
    return np.sqrt(np.where(len(L) * np.finfo(np.float64).eps * np.max(L, initial=0) < L, L, 0))


def _without(sigma: NDArray[np.float64], energy: float, D: int, K: int, seed: int) -> Without:
    left = float((sigma**2).sum()) / energy if energy > 0 else float("nan")
    if min(D, K) < 2 or not energy > 0:
        return Without(adjusted=float("nan"), energy=left)
    ia = float(abundance_of_spectrum(sigma)) if sigma.any() else 1.0
    return Without(
        adjusted=adjusted_abundance(ia, random_abundance(D, K, draws=_DRAWS, seed=seed).mean), energy=left
    )
