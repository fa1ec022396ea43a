"""A table without its mean row, for readers that slice rows.

Shapes: D rows of a table (cardinality), K columns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Centred:
    """E - 1 mu^T, computed one slice of rows at a time."""

    E: Any
    """The table, shape (D, K)."""
    mean: NDArray[np.float64]
    """The mean row mu, shape (K,)."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (D, K)."""
        return int(self.E.shape[0]), int(self.E.shape[1])

    @property
    def dtype(self) -> Any:
        """Type in which the numbers were stored."""
        return self.E.dtype

    def __getitem__(self, rows: Any) -> NDArray[np.float64]:
        """Return rows as float64."""
        found = self.E[rows]
        found = found.detach().double().cpu().numpy() if hasattr(found, "detach") else np.asarray(found)
        return np.asarray(found.astype(np.float64) - self.mean)
