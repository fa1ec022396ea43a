"""Singular values of tables of any length, exact, in two streaming passes.

Shapes: D rows of a table (cardinality), K columns, R = min(D, K).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

_THREADS = 2
_CHUNK_ENTRIES = 2**17
_DIRECT_ROWS = 512
_SQUARES = 1e-250, 1e250
_SECOND_PASS_BELOW = 1e-6
_CLIP = 1e-15


def singular_values(E: NDArray[Any]) -> NDArray[np.floating]:
    """Singular values of a table, in float64 whatever the table's type.

    Parameters
    ----------
    E : (D, K) array
        The table, floating, in memory or memory-mapped.

    Returns
    -------
    (R,) float64 array
        Descending, R = min(D, K).

    Raises
    ------
    ValueError
        If `E` is no matrix of numbers, or a row holds NaN or infinity; the message names the row.

    See Also
    --------
    factor : What they are computed from, with the accuracy.
    """
    return np.linalg.svd(factor(E), compute_uv=False)


def factor(E: NDArray[Any]) -> NDArray[np.floating]:
    """Reduce a table to a small matrix with the same Gram matrix, R^T R = E^T E.

    The factor has the table's singular values and right singular vectors, and R A has the singular values of E A
    for every A, so what is asked of a long table can be asked of its factor.

    Parameters
    ----------
    E : (D, K) array
        The table, floating, in memory or memory-mapped.

    Returns
    -------
    (R, K) float64 array
        The factor, R = min(D, K); determined up to an orthogonal map from the left.

    Raises
    ------
    ValueError
        If `E` is no matrix of numbers, or a row holds NaN or infinity; the message names the row.

    Notes
    -----
    The first pass accumulates G = E^T E in float64 and takes V L V^T = G. Squaring loses what lies below
    1e-8 sigma_max and blurs what lies near it, so where min L / max L < 1e-6 a second pass accumulates the Gram
    matrix S of Y = E V L^-1/2, whose columns are nearly orthonormal; with S = Q S' Q^T the factor is
    S'^1/2 Q^T L^1/2 V^T. Singular values down to 1e-6 sigma_max are then right to 1e-9 of themselves. What lies
    below 1e-15 sigma_max is rounding. Rows are read in chunks of fixed bounds, on two threads with sums of their
    own, so a table gives the same numbers every time. A table with hardly more rows than columns is decomposed
    directly.
    """
    E = np.asarray(E)
    if E.ndim != 2 or E.size == 0:
        raise ValueError(f"a table has rows and columns, and this has shape {E.shape}")
    if not np.issubdtype(E.dtype, np.floating):
        raise ValueError(f"a table holds floating-point numbers, and this holds {E.dtype}")
    D, K = E.shape
    if max(4 * K, _DIRECT_ROWS) >= D:
        return _direct(E)
    scale = 1.0
    G = _gram(E, lambda chunk: chunk)
    if not _SQUARES[0] < np.diagonal(G).max() < _SQUARES[1]:
        scale = _scale(E)
        G = _gram(E, lambda chunk: chunk / scale)
    L, V = np.linalg.eigh(G)
    if L[-1] == 0:
        return np.zeros((K, K))
    root: NDArray[np.float64] = np.sqrt(np.maximum(L, _CLIP * L[-1]))
    if L[0] >= _SECOND_PASS_BELOW * L[-1]:
        return np.asarray(scale * root[:, None] * V.T)
    whiten = V / root
    S, Q = np.linalg.eigh(_gram(E, lambda chunk: (chunk if scale == 1 else chunk / scale) @ whiten))
    return np.asarray(scale * np.sqrt(np.maximum(S, 0))[:, None] * Q.T @ (root[:, None] * V.T))


def _direct(E: NDArray[Any]) -> NDArray[np.floating]:
    exact = E.astype(np.float64)
    _scale(exact)
    return exact if len(exact) <= exact.shape[1] else np.linalg.qr(exact).R


def _gram(E: NDArray[Any], transform: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
    """Sum transform(chunk)^T transform(chunk) over the chunks of E, symmetric."""
    rows = _chunk_rows(E)

    @np.errstate(all="ignore")  # what over- or underflows is seen on the diagonal, and done again to scale
    def partial(first: int) -> NDArray[np.float64]:
        total = np.zeros((E.shape[1],) * 2)
        for start in range(first * rows, len(E), _THREADS * rows):
            chunk = transform(E[start : start + rows].astype(np.float64))
            # NumPy knows a product with its own transpose, and lets the other thread run meanwhile.
            total += chunk.T @ chunk
        return total

    with _blas().limit(limits=1, user_api="blas"), ThreadPoolExecutor(_THREADS) as pool:
        totals = list(pool.map(partial, range(_THREADS)))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sum(totals, axis=0))


def _scale(E: NDArray[Any]) -> float:
    """Return a power of two near max |E|, 1 for a table of zeros; refuse NaN and infinity."""
    largest, rows = 0.0, _chunk_rows(E)
    for start in range(0, len(E), rows):
        magnitudes = np.abs(E[start : start + rows].astype(np.float64)).max(axis=1)
        if not np.isfinite(magnitudes).all():
            row = start + int(np.flatnonzero(~np.isfinite(magnitudes))[0])
            raise ValueError(f"row {row} holds NaN or infinity")
        largest = max(largest, float(magnitudes.max()))
    return float(2.0 ** np.clip(np.frexp(largest)[1], -1021, 1023)) if largest else 1.0


def _chunk_rows(E: NDArray[Any]) -> int:
    # A chunk in float64 stays in a core's second-level cache.
    return max(1, _CHUNK_ENTRIES // int(E.shape[1]))


@cache
def _blas() -> ThreadpoolController:
    # Finding the loaded libraries takes milliseconds, so it is done once.
    return ThreadpoolController()
