"""Products of a table from the left, f^T E, for directions f over its rows: the mean row, and popularity.

With the Gram matrix they tell what the table is without such a direction, and how the singular vectors lie to it,
so that no row is read again. They are sums over rows, so those of parts are added.

Shapes: D rows of a table (cardinality), K columns, F = 3 directions: all rows alike, row counts, their logarithm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLLOWED = ("mean", "counts", "log_counts")
"""The directions in the order of `left_directions`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LeftSums:
    """f^T E of a table, each row times the root of its weight, for F directions f."""

    products: NDArray[np.float64]
    """f^T E, shape (F, K), or (1, K) where no row counts are known; not finite where it overflows."""
    gram: NDArray[np.float64]
    """f^T f', shape (F, F): the squared norms on the diagonal."""
    untrained: NDArray[np.float64] | None
    """E_u^T E_u of the rows E_u that were never looked up, shape (K, K); None where no row counts are known."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean row, weighted, shape (K,)."""
        return np.asarray(self.products[0] / self.gram[0, 0])

    def centred(self) -> "LeftSums":
        """Return what these are of the table without its mean row, for which rows never looked up do not count."""
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
        The rows.
    weights : (D,) array or None
        Their weights; None for 1 each.
    counts : (D,) array or None
        How often each was looked up in training; None where it is not known.

    Returns
    -------
    f : (F, D) array
        The directions, over rows that are multiplied by the roots of their weights: all alike, and with counts
        these and log(1 + count).
    roots : (D,) array or float
        The roots of the weights, by which f is multiplied in turn to be applied to the rows as they are.
    """
    roots = 1.0 if weights is None else np.sqrt(weights)
    f = np.ones((1, D)) if counts is None else np.stack([np.ones(D), counts, np.log1p(counts)])
    return f * roots, roots


def added(parts: Sequence[LeftSums]) -> LeftSums:
    """Add the products of parts of a table.

    Parameters
    ----------
    parts : sequence of LeftSums
        One or more, all with row counts or none.

    Returns
    -------
    LeftSums
        Those of all rows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        never = [part.untrained for part in parts if part.untrained is not None]
        return LeftSums(
            products=np.sum([part.products for part in parts], axis=0),
            gram=np.sum([part.gram for part in parts], axis=0),
            untrained=np.sum(never, axis=0) if never else None,
        )
