"""How far a table has moved between two checkpoints, from one pass over both.

The Gram matrices A^T A, B^T B and A^T B of the rows in common hold everything but the moves of single rows, which
are counted in the same pass. A is the table before and B the table now.

Shapes: D rows in common, K_A and K_B columns, k leading directions.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.measures.dimensions import directions_for_energy
from collapse.measures.row_stream import RowStream, in_memory

_LEADING = 0.9
"""Fraction of the energy that the leading directions hold."""
_ENTRIES = 1 << 17
"""Entries of a table that are compared together, 1 MB of float64."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DriftState:
    """Sums over some rows of both tables; states of different rows add up."""

    before: NDArray[np.float64]
    """A^T A, shape (K_A, K_A)."""
    now: NDArray[np.float64]
    """B^T B, shape (K_B, K_B)."""
    across: NDArray[np.float64]
    """A^T B, shape (K_A, K_B)."""
    rows: int
    """Number of rows."""
    moved: int
    """Number of rows with ||b - a|| > x ||a||; 0 if the tables have different numbers of columns."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How far a table has moved."""

    rows: int
    """Number D of rows in common."""
    directions: int
    """Number k of leading directions: the fewest that hold 90 % of the energy of the table before."""
    overlap: float
    """Mean cos^2 of the principal angles between the k leading left singular vectors of both: 1 if the rows are
    still told apart along the same directions, k / D for unrelated tables. Rotating the columns of a table changes
    nothing."""
    overlap_random: float
    """k / D."""
    overlap_columns: float
    """The same for the right singular vectors: 1 if the directions are at the same place among the columns, about
    k / K for another initialisation. NaN if the numbers of columns differ."""
    residue: float
    """min over rotations Q of ||A Q - B|| / ||B||: what no rotation explains. 0 if B is A, rotated."""
    distance: float
    """||A - B|| / ||B||, without a rotation. NaN if the numbers of columns differ."""
    moved: float
    """Fraction of the rows that moved by more than x times their norm. NaN if the numbers of columns differ."""
    norm_change: float
    """||B|| / ||A|| - 1."""


def drift_state(before: Any, now: Any, *, moved: float = 0.1) -> DriftState:
    """Return the sums over matched rows.

    Parameters
    ----------
    before, now : (D, K_A) and (D, K_B) arrays
        The rows of both tables in the same order.
    moved : float
        A row counts as moved if it is further from where it was than this times its norm.

    Raises
    ------
    ValueError
        If the numbers of rows differ, or a row holds NaN or infinity.
    """
    if before.shape[0] != now.shape[0]:
        raise ValueError(f"the tables have {before.shape[0]} and {now.shape[0]} rows")
    D, K_A, K_B = int(now.shape[0]), int(before.shape[1]), int(now.shape[1])
    total = DriftState(
        before=np.zeros((K_A, K_A)), now=np.zeros((K_B, K_B)), across=np.zeros((K_A, K_B)), rows=0, moved=0
    )
    if not D:
        return total
    step = max(1, _ENTRIES // max(K_A, K_B))
    streams = RowStream(before), RowStream(now)
    for start in range(0, D, step):
        A, B = (_checked(stream, start, step) for stream in streams)
        count = 0
        if K_A == K_B:
            # A row of zeros has moved if it is no longer one.
            count = int(np.count_nonzero(np.linalg.norm(B - A, axis=1) > moved * np.linalg.norm(A, axis=1)))
        part = DriftState(before=A.T @ A, now=B.T @ B, across=A.T @ B, rows=len(A), moved=count)
        total = merge_drift([total, part])
    return total


def _checked(stream: RowStream, start: int, rows: int) -> NDArray[np.float64]:
    array = in_memory(stream.chunk(start, rows))
    stream.check(array, start)
    return array


def merge_drift(states: Iterable[DriftState]) -> DriftState:
    """Add the states of different rows, in any order."""
    parts = list(states)
    return DriftState(
        before=np.sum([part.before for part in parts], axis=0),
        now=np.sum([part.now for part in parts], axis=0),
        across=np.sum([part.across for part in parts], axis=0),
        rows=sum(part.rows for part in parts),
        moved=sum(part.moved for part in parts),
    )


def drift(state: DriftState) -> Drift:
    """Compute the drift of a table from the sums over its rows.

    Parameters
    ----------
    state : DriftState
        The sums.

    Returns
    -------
    Drift
        With NaN where nothing can be said: of tables of zeros, or without rows in common.

    References
    ----------
    Schoenemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 31, 1966: the squared
    residue is ||A||^2 + ||B||^2 - 2 ||A^T B||_*.
    """
    nan = float("nan")
    squares_A, squares_B = float(np.trace(state.before)), float(np.trace(state.now))
    same = state.before.shape == state.now.shape
    if not state.rows or not squares_A or not squares_B:
        return Drift(
            rows=state.rows, directions=0, overlap=nan, overlap_random=nan, overlap_columns=nan, residue=nan,
            distance=nan, moved=state.moved / state.rows if same and state.rows else nan,
            norm_change=-1.0 if squares_A and state.rows else nan,
        )  # fmt: skip
    (sigma_A, V_A), (sigma_B, V_B) = _decomposed(state.before), _decomposed(state.now)
    k = _leading(sigma_A, sigma_B)
    leading_A, leading_B = V_A[:, :k] / sigma_A[:k], V_B[:, :k] / sigma_B[:k]
    nuclear = float(np.linalg.svd(state.across, compute_uv=False).sum())
    apart = squares_A + squares_B - 2 * float(np.trace(state.across)) if same else nan
    return Drift(
        rows=state.rows,
        directions=k,
        overlap=_mean_square(leading_A.T @ state.across @ leading_B, k),
        overlap_random=min(1.0, k / state.rows),
        overlap_columns=_mean_square(V_A[:, :k].T @ V_B[:, :k], k) if same else nan,
        residue=float(np.sqrt(max(squares_A + squares_B - 2 * nuclear, 0.0) / squares_B)),
        distance=float(np.sqrt(max(apart, 0.0) / squares_B)) if same else nan,
        moved=state.moved / state.rows if same else nan,
        norm_change=float(np.sqrt(squares_B / squares_A)) - 1,
    )


def _decomposed(gram: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return singular values, descending, and right singular vectors, from a Gram matrix.

    The leading directions have a large part of the energy, so that squaring costs them nothing.
    """
    squares, V = np.linalg.eigh(gram)
    return np.sqrt(np.maximum(squares[::-1], 0)), V[:, ::-1]


def _leading(sigma_A: NDArray[np.float64], sigma_B: NDArray[np.float64]) -> int:
    """Return how many directions to compare: those that lead A, as far as B has as many."""
    there = int(np.count_nonzero(sigma_B > 1e-6 * sigma_B[0]))
    return min(int(directions_for_energy(sigma_A, fraction=_LEADING)), there)


def _mean_square(cosines: NDArray[np.float64], k: int) -> float:
    return float(min(np.square(cosines).sum() / k, 1.0))
