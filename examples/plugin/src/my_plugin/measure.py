"""A measure of a spectrum."""

import numpy as np
from numpy.typing import NDArray


def spread(sigma: NDArray[np.float64], rows: int, columns: int) -> float:
    """Return the largest singular value over the smallest: 1 if all are equal.

    Parameters
    ----------
    sigma : (R,) array
        Singular values, descending.
    rows, columns : int
        Shape of the table.
    """
    del rows, columns
    return float(sigma[0] / sigma[-1]) if sigma[-1] > 0 else float("inf")
