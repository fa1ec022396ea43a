"""Abundance of a table without one possible cause: its mean row, constant columns, first direction, or popularity.

Each is a change of rank one, or a choice of columns, of the (K, K) Gram matrix, so no row is read again.

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
"""A column is constant if its variance is below this fraction of its mean square. This is a deviation of 1e-5 of
the mean: far above the rounding of sums in float64, and far below what training leaves."""


@dataclass(frozen=True, kw_only=True)
class Without:
    """A table after one possible cause was removed."""

    adjusted: float = float("nan")
    """Adjusted abundance of the rest; NaN if nothing was removed or nothing is left."""
    energy: float = float("nan")
    """Fraction of the energy sum sigma^2 that is left, from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Absolute cosines of the first left singular vector with directions over the rows, from 0 to 1."""

    mean: float = float("nan")
    """With the vector of ones."""
    counts: float = float("nan")
    """With the row counts; NaN if they are unknown."""
    log_counts: float = float("nan")
    """With log(1 + row counts); NaN if they are unknown."""


@dataclass(frozen=True, kw_only=True)
class Causes:
    """Adjusted abundance of a table without each possible cause."""

    mean: Without
    """Without the mean row, which all rows have in common."""
    constant: Without
    """Without the constant columns."""
    constant_columns: int
    """Number of constant columns."""
    first: Without
    """Without the first direction."""
    popularity: Without
    """Without the direction over the rows that follows the row counts or their logarithm, whichever is closer to
    the first left singular vector."""
    alignment: Alignment
    """What the first direction follows."""


def causes(spectrum: Spectrum, sums: LeftSums, D: int, random: RandomMean) -> Causes:
    """Measure a table without each possible cause.

    Parameters
    ----------
    spectrum : Spectrum
        Singular values and right singular vectors of the table.
    sums : LeftSums
        Products of the table from the left.
    D : int
        Number of rows that were measured.
    random : RandomMean
        Mean abundance of random tables.

    Returns
    -------
    Causes
        The measures; NaN for a table of zeros.
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
    """Return the absolute cosines of the left singular vectors with directions over the rows.

    Parameters
    ----------
    spectrum : Spectrum
        Singular values and right singular vectors of the table.
    sums : LeftSums
        Products of the table from the left.

    Returns
    -------
    (F, R) array
        |u_k^T f| / |f| from 0 to 1, with u_k = E v_k / sigma_k; NaN for directions without energy.
    """
    lengths = np.sqrt(np.diagonal(sums.gram))[:, None] * spectrum.values
    with np.errstate(all="ignore"):
        found = np.abs(sums.products / spectrum.scale @ spectrum.V) / lengths
    return np.asarray(np.where(lengths > 0, np.minimum(found, 1), np.nan))


def gram_matrix(spectrum: Spectrum) -> NDArray[np.float64]:
    """Return E^T E divided by the square of the scale, shape (K, K)."""
    return np.asarray((spectrum.V * spectrum.values**2) @ spectrum.V.T)


def without(G: NDArray[np.float64], energy: float, D: int, K: int, random: RandomMean) -> Without:
    """Measure what is left of a table, given its Gram matrix.

    Parameters
    ----------
    G : (K, K) array
        Gram matrix of the rest.
    energy : float
        Energy of the whole table.
    D, K : int
        Number of rows and columns of the rest.
    random : RandomMean
        Mean abundance of random tables.

    Returns
    -------
    Without
        The measures.
    """
    if not np.isfinite(G).all():
        return Without()
    L = np.linalg.eigvalsh(G)[::-1] if len(G) else np.zeros(0)
    # Set rounding noise to zero.
    sigma = np.sqrt(np.where(len(L) * np.finfo(np.float64).eps * np.max(L, initial=0) < L, L, 0))
    return _of_spectrum(sigma, energy, D, K, random)


def _projected(G: NDArray[np.float64], product: NDArray[np.float64], square: float) -> NDArray[np.float64]:
    """Return the Gram matrix of (I - f f^T / f^T f) E, which is E without a direction over its rows."""
    return np.asarray(G - np.outer(product, product) / square) if square > 0 else G


def _of_spectrum(sigma: NDArray[np.float64], energy: float, D: int, K: int, random: RandomMean) -> Without:
    left = float((sigma**2).sum()) / energy if energy > 0 else float("nan")
    if min(D, K) < 2 or not energy > 0:
        return Without(energy=left)
    ia = float(abundance_of_spectrum(sigma)) if sigma.any() else 1.0
    return Without(adjusted=adjusted_abundance(ia, random.of(D, K)), energy=left)
