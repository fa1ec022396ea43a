"""Products of a table from the left, f^T E, for directions f over its rows: the vector of ones, and popularity.

Together with the Gram matrix they give the spectrum of the table without such a direction, and the cosines of its
singular vectors with it, so that no row is read again. They are sums over rows, so parts of a table add up.

Shapes: D rows of a table (cardinality), K columns, F = 3 directions: ones, row counts and their logarithm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLLOWED = ("mean", "counts", "log_counts")
"""Names of the directions, in the order of `left_directions`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LeftSums:
    """Products f^T E of a table with F directions f, where each row is multiplied by the root of its weight."""

    products: NDArray[np.float64]
    """f^T E, shape (F, K), or (1, K) if row counts are unknown; not finite if it overflows."""
    gram: NDArray[np.float64]
    """f^T f', shape (F, F), with the squared norms on the diagonal."""
    untrained: NDArray[np.float64] | None
    """E_u^T E_u of the rows E_u that were never looked up, shape (K, K); None if row counts are unknown."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """Weighted mean row, shape (K,)."""
        return np.asarray(self.products[0] / self.gram[0, 0])

    def centred(self) -> "LeftSums":
        """Return the products of the table without its mean row. Rows that were never looked up are ignored."""
        with np.errstate(over="ignore", invalid="ignore"):
            products = self.products - np.outer(self.gram[:, 0], self.mean)
        return LeftSums(products=products, gram=self.gram, untrained=None)


def left_directions(
    D: int, weights: NDArray[np.float64] | None, counts: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | float]:
    """Return the directions over some rows.

    Parameters
    ----------
    D : int
        Number of rows.
    weights : (D,) array or None
        Weights of the rows; None means 1.
    counts : (D,) array or None
        How often training looked up each row; None if unknown.

    Returns
    -------
    f : (F, D) array
        The directions over rows that were multiplied by the roots of their weights: ones, and with counts also the
        counts and log(1 + count).
    roots : (D,) array or float
        The roots of the weights. Multiply f by them to apply it to the original rows.
    """
    roots = 1.0 if weights is None else np.sqrt(weights)
    f = np.ones((1, D)) if counts is None else np.stack([np.ones(D), counts, np.log1p(counts)])
    return f * roots, roots


def added(parts: Sequence[LeftSums]) -> LeftSums:
    """Add the products of the parts of a table.

    Parameters
    ----------
    parts : sequence of LeftSums
        At least one part. Either all or none have row counts.

    Returns
    -------
    LeftSums
        Products of all rows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        never = [part.untrained for part in parts if part.untrained is not None]
        return LeftSums(
            products=np.sum([part.products for part in parts], axis=0),
            gram=np.sum([part.gram for part in parts], axis=0),
            untrained=np.sum(never, axis=0) if never else None,
        )
