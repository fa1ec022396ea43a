"""What the rows of a table tell before any decomposition."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def row_norms(E: NDArray[Any], *, chunk_rows: int = 65536) -> NDArray[np.float64]:
    """Euclidean norm of every row.

    Parameters
    ----------
    E : (D, K) array
        The table, floating.
    chunk_rows : int
        Rows converted to float64 at a time.

    Returns
    -------
    (D,) float64 array
        The norms.
    """
    chunks = (E[start : start + chunk_rows].astype(np.float64) for start in range(0, len(E), chunk_rows))
    return np.concatenate([np.sqrt(np.einsum("dk,dk->d", chunk, chunk)) for chunk in chunks])


def near_zero_share(E: NDArray[Any], *, tolerance: float = 1e-3) -> float:
    """Share of rows whose norm is below `tolerance` times the largest row's.

    Coupled weight decay under Adam drives a row that gets no gradient to zero within some hundred steps, so a
    table of many rare values holds few rows that count.

    Parameters
    ----------
    E : (D, K) array
        The table, floating.
    tolerance : float
        What counts as near zero, relative to the largest row.

    Returns
    -------
    float
        From 0, where every row counts, to 1, where the table is zero.
    """
    norms = row_norms(E)
    largest = norms.max()
    return float(np.mean(norms < tolerance * largest)) if largest > 0 else 1.0
