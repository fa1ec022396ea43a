"""Products of a table from the left, f^T E, for directions f over its rows: the mean row, and popularity.

With the Gram matrix they tell what the table is without such a direction, and how the singular vectors lie to it,
so that no row is read again. They are sums over rows, so those of parts are added.

Shapes: D rows of a table (cardinality), K columns, F = 3 directions: all rows alike, row counts, their logarithm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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


def left_sums(
    E: NDArray[np.float64], weights: NDArray[np.float64] | None, counts: NDArray[np.float64] | None
) -> LeftSums:
    """Multiply some rows from the left.

    Parameters
    ----------
    E : (D, K) array
        The rows.
    weights : (D,) array or None
        Their weights; None for 1 each.
    counts : (D,) array or None
        How often each was looked up in training; None where it is not known.

    Returns
    -------
    LeftSums
        The products; the logarithm is log(1 + count).
    """
    alike = np.ones(len(E)) if weights is None else np.sqrt(weights)
    f = alike[None] if counts is None else np.stack([alike, alike * counts, alike * np.log1p(counts)])
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        never = None if counts is None else E[counts == 0]
        return LeftSums(
            products=(f if weights is None else f * alike) @ E,
            gram=f @ f.T,
            untrained=None if never is None else never.T @ never,
        )


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
