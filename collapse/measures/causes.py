"""What a table's abundance is without one thing: its mean row, constant columns, first direction, or popularity.

All are changes of rank one, or a choice of columns, of the (K, K) Gram matrix, so no row is read again.

Shapes: D rows of a table (cardinality), K columns, R = min(D, K).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collapse.measures.abundance import abundance_of_spectrum, adjusted_abundance
from collapse.measures.left_sums import FOLLOWED, LeftSums
from collapse.measures.random_matrix import RandomMean
from collapse.measures.spectra import Spectrum

CONSTANT = 1e-10
"""A column is constant if its variance is below this times its mean square: a deviation of 1e-5 of its mean, far
above what sums in float64 round, and far below what any training leaves."""


@dataclass(frozen=True, kw_only=True)
class Without:
    """What is left of a table once one thing is taken away."""

    adjusted: float = float("nan")
    """The adjusted abundance of what is left; NaN where nothing is, or where there was nothing to take away."""
    energy: float = float("nan")
    """The fraction of the energy sum sigma^2 that is left, from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Cosines of the first left singular vector with directions over the rows, from 0 to 1, without their sign."""

    mean: float = float("nan")
    """With the one in which all rows are alike."""
    counts: float = float("nan")
    """With the row counts; NaN where they are not known."""
    log_counts: float = float("nan")
    """With the logarithms of one more than the row counts."""


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
    popularity: Without
    """Without the direction over the rows that follows the row counts, or their logarithm: the one that the first
    left singular vector is nearer to."""
    alignment: Alignment
    """What the first direction follows."""


def causes(spectrum: Spectrum, sums: LeftSums, D: int, random: RandomMean) -> Causes:
    """Measure a table without one thing each.

    Parameters
    ----------
    spectrum : Spectrum
        The table's singular values and right singular vectors.
    sums : LeftSums
        Its products from the left.
    D : int
        The rows that entered.
    random : RandomMean
        The mean abundance of random tables.

    Returns
    -------
    Causes
        The numbers; of a table of zeros, NaN.
    """
    K = len(spectrum.V)
    G = gram_matrix(spectrum)
    products = sums.products / spectrum.scale
    energy = float(np.trace(G))
    squares = np.diagonal(sums.gram)
    centred = _projected(G, products[0], squares[0])
    is_constant = (np.diagonal(G) > 0) & (np.diagonal(centred) <= CONSTANT * np.diagonal(G))
    kept = ~is_constant
    constants = int(is_constant.sum())
    first = alignments(spectrum, sums)[:, :1]
    alignment = Alignment(**dict(zip(FOLLOWED, first[:, 0].tolist() if first.size else (), strict=False)))
    popularity = Without()
    if len(products) > 1:
        nearer = 1 if alignment.counts >= alignment.log_counts else 2
        popularity = without(_projected(G, products[nearer], squares[nearer]), energy, D - 1, K, random)
    return Causes(
        mean=without(centred, energy, D - 1, K, random),
        constant=without(G[np.ix_(kept, kept)], energy, D, K - constants, random) if constants else Without(),
        constant_columns=constants,
        first=_of_spectrum(spectrum.values[1:], energy, D - 1, K - 1, random),
        popularity=popularity,
        alignment=alignment,
    )


def alignments(spectrum: Spectrum, sums: LeftSums) -> NDArray[np.float64]:
    """Return how the left singular vectors lie to directions over the rows.

    Parameters
    ----------
    spectrum : Spectrum
        The table's singular values and right singular vectors.
    sums : LeftSums
        Its products from the left.

    Returns
    -------
    (F, R) array
        |u_k^T f| / |f| from 0 to 1, as u_k = E v_k / sigma_k; NaN of a direction without energy.
    """
    lengths = np.sqrt(np.diagonal(sums.gram))[:, None] * spectrum.values
    with np.errstate(all="ignore"):
        found = np.abs(sums.products / spectrum.scale @ spectrum.V) / lengths
    return np.asarray(np.where(lengths > 0, np.minimum(found, 1), np.nan))


def gram_matrix(spectrum: Spectrum) -> NDArray[np.float64]:
    """Return E^T E over the square of the scale, shape (K, K)."""
    return np.asarray((spectrum.V * spectrum.values**2) @ spectrum.V.T)


def without(G: NDArray[np.float64], energy: float, D: int, K: int, random: RandomMean) -> Without:
    """Measure what a Gram matrix is of.

    Parameters
    ----------
    G : (K, K) array
        The Gram matrix of what is left of a table.
    energy : float
        The energy of the whole table.
    D, K : int
        The rows and columns that are left.
    random : RandomMean
        The mean abundance of random tables.

    Returns
    -------
    Without
        The numbers.
    """
    if not np.isfinite(G).all():
        return Without()
    L = np.linalg.eigvalsh(G)[::-1] if len(G) else np.zeros(0)
    # What is rounding is zero.
    sigma = np.sqrt(np.where(len(L) * np.finfo(np.float64).eps * np.max(L, initial=0) < L, L, 0))
    return _of_spectrum(sigma, energy, D, K, random)


def _projected(G: NDArray[np.float64], product: NDArray[np.float64], square: float) -> NDArray[np.float64]:
    """Return the Gram matrix of (I - f f^T / f^T f) E: E without a direction over its rows."""
    return np.asarray(G - np.outer(product, product) / square) if square > 0 else G


def _of_spectrum(sigma: NDArray[np.float64], energy: float, D: int, K: int, random: RandomMean) -> Without:
    left = float((sigma**2).sum()) / energy if energy > 0 else float("nan")
    if min(D, K) < 2 or not energy > 0:
        return Without(energy=left)
    ia = float(abundance_of_spectrum(sigma)) if sigma.any() else 1.0
    return Without(adjusted=adjusted_abundance(ia, random.of(D, K)), energy=left)
