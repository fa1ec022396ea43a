"""Spectra of tables in parts, wherever the parts are: a small state for each part, merged, and decomposed.

A state holds K x K doubles, whatever the number of rows, and can be pickled. Threads, Dask, torch.distributed, Ray
and Spark send the same states.

Shapes: D rows of a table (cardinality), K columns, T columns of a map, R = min(D, K).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.measures.left_sums import LeftSums, added
from collapse.measures.row_stream import RowStream, in_memory
from collapse.measures.rows import measure_part
from collapse.measures.spectra import SQUARES, Spectrum, decompose_passes, gram, threads_for


@dataclass(frozen=True, kw_only=True, eq=False)
class SpectralState:
    """What the spectrum of some rows of a table, and its causes, need of them."""

    gram: NDArray[np.float64]
    """(E B)^T (E B) of the rows E, divided by `scale`, under a map B: shape (T, T); (K, K) without a map."""
    rows: int
    """Number of rows of positive weight."""
    columns: int
    """Number of columns K of the table."""
    scale: float = 1.0
    """Power of two that the entries were divided by."""
    largest: float | None = None
    """Largest absolute entry; None if no square overflows or underflows, so that nobody needs it."""
    bad_row: int | None = None
    """Number of the first row that holds NaN or infinity; None if there is none."""
    sums: LeftSums | None = None
    """Column sums, and sums weighted by popularity, for the causes of a low abundance; None if not asked for."""
    direction: NDArray[np.float64] | None = None
    """Sum of the unit vectors along the rows, shape (K,); None if not asked for."""
    not_zero: int = 0
    """Number of rows that are not zero; 0 if not asked for."""

    @property
    def mean_cosine(self) -> float:
        """Mean cosine of two different non-zero rows; NaN with fewer than two, or if not asked for."""
        pairs = self.not_zero * (self.not_zero - 1)
        if self.direction is None or not pairs:
            return float("nan")
        return float((self.direction @ self.direction - self.not_zero) / pairs)


def gram_state(
    rows: Any,
    *,
    weights: NDArray[Any] | None = None,
    counts: NDArray[Any] | None = None,
    first_row: int = 0,
    causes: bool = True,
    basis: NDArray[np.float64] | None = None,
    scale: float = 1.0,
) -> SpectralState:
    """Return the state of some rows of a table.

    Parameters
    ----------
    rows : (D, K) array
        The rows, as `singular_values` takes a table; there may be none.
    weights : (D,) array, optional
        Non-negative weights of the rows.
    counts : (D,) array, optional
        How often training looked up each row, for the causes.
    first_row : int
        Number of the first row in the table, for the message about NaN.
    causes : bool
        Also compute `sums`, `direction` and `not_zero`, which takes another pass over the rows.
    basis : (K, T) array, optional
        A map B, for a further pass of `spectrum`, which asks for it. Causes are left out then.
    scale : float
        Power of two to divide by, for a further pass.

    Returns
    -------
    SpectralState
        The state, which holds at most 2 K^2 + 5 K doubles.

    Raises
    ------
    ValueError
        If `rows` is not a matrix of numbers, or the weights have the wrong shape or are negative.

    Examples
    --------
    >>> import numpy as np
    >>> from collapse import gram_state, merge, spectrum
    >>> E = np.random.default_rng(0).standard_normal((100, 4))
    >>> found = spectrum(merge([gram_state(E[:70]), gram_state(E[70:])]))
    >>> np.allclose(found.sigma, np.linalg.svd(E, compute_uv=False))
    True
    """
    K = int(rows.shape[1])
    basis_ = np.eye(K) if basis is None else basis
    used = None if weights is None else np.asarray(weights) > 0
    if rows.shape[0] == 0 or (used is not None and not used.any()):
        return SpectralState(gram=np.zeros((basis_.shape[1],) * 2), rows=0, columns=K, scale=scale)
    stream = RowStream(rows, weights, first_row=first_row)
    stream.scale = scale
    with threads_for(K) as threads:
        G = gram(stream, basis_, threads=threads)
    state = SpectralState(
        gram=G, rows=stream.shape[0] if used is None else int(np.count_nonzero(used)), columns=K, scale=scale
    )
    squares = np.diagonal(G)
    if basis is None and not SQUARES[0] < squares.max(initial=0) < SQUARES[1]:
        largest, bad = _extremes(stream)
        state = replace(state, largest=largest * scale, bad_row=bad)
    if not causes or basis is not None or state.bad_row is not None:
        return state
    part = measure_part(rows, weights=weights, counts=counts, first_row=first_row)
    return replace(state, sums=part.sums, direction=part.direction, not_zero=part.counted)


def _extremes(stream: RowStream) -> tuple[float, int | None]:
    """Return the largest absolute entry, and the first row that is not finite."""
    largest = 0.0
    for start in stream.starts:
        chunk = np.abs(in_memory(stream.chunk(start)))
        bad = np.flatnonzero(~np.isfinite(chunk).all(axis=1))
        if len(bad):
            return largest, stream.number(start, int(bad[0]))
        largest = max(largest, float(chunk.max(initial=0)))
    return largest, None


def merge(states: Iterable[SpectralState]) -> SpectralState:
    """Add the states of the parts of a table, in any order.

    Parameters
    ----------
    states : iterable of SpectralState
        At least one, all of the same pass. States of no rows change nothing.

    Returns
    -------
    SpectralState
        The state of all rows.

    Raises
    ------
    ValueError
        If there are no states, or they are of tables of different columns, or of different passes.
    """
    parts = list(states)
    if not parts:
        raise ValueError("there are no states to merge")
    if len({(part.columns, part.gram.shape, part.scale) for part in parts}) > 1:
        raise ValueError("the states are of tables with different numbers of columns, or of different passes")
    used = [part for part in parts if part.rows]
    with_causes = bool(used) and all(part.sums is not None for part in used)
    directions = [part.direction for part in used if part.direction is not None]
    largest = [part.largest for part in used if part.largest is not None]
    bad = [part.bad_row for part in used if part.bad_row is not None]
    with np.errstate(over="ignore", invalid="ignore"):
        G = np.sum([part.gram for part in parts], axis=0)
    return SpectralState(
        gram=G,
        rows=sum(part.rows for part in parts),
        columns=parts[0].columns,
        scale=parts[0].scale,
        largest=max(largest, default=None),
        bad_row=min(bad, default=None),
        sums=added([part.sums for part in used if part.sums is not None]) if with_causes else None,
        direction=np.sum(directions, axis=0) if with_causes else None,
        not_zero=sum(part.not_zero for part in used),
    )


Again = Callable[[NDArray[np.float64], float], SpectralState]
"""A further pass: the state of all rows under a map and a scale, `gram_state(.., basis=B, scale=s)` merged."""


def spectrum(state: SpectralState, again: Again | None = None) -> Spectrum:
    """Decompose a table from the state of all its rows.

    Parameters
    ----------
    state : SpectralState
        The merged state, without a map.
    again : callable, optional
        Called with a map and a scale for each further pass, which deep spectra need (`decompose`). Without it,
        singular values below 1e-3 of the largest are less accurate: their error is up to 1e-8 of the largest.

    Returns
    -------
    Spectrum
        Singular values and right singular vectors.

    Raises
    ------
    ValueError
        If a row holds NaN or infinity, there are no rows, or squares overflow and there is no `again`.
    """
    if state.bad_row is not None:
        raise ValueError(f"row {state.bad_row} holds NaN or infinity")
    if not state.rows:
        raise ValueError("the table has no rows")
    return decompose_passes(_StatePasses(state, again), deep=again is not None)


class _StatePasses:
    """Passes over a table whose first one is done."""

    def __init__(self, state: SpectralState, again: Again | None) -> None:
        self._state, self._again, self._is_first = state, again, True
        self.shape, self.rank_bound, self.scale = (state.rows, state.columns), min(state.rows, state.columns), 1.0

    def gram(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the Gram matrix of the state, and then that of a further pass."""
        if self._is_first or self._state.largest == 0:
            self._is_first = False
            return self._state.gram
        if not basis.shape[1]:
            return np.zeros((0, 0))
        if self._again is None:
            raise ValueError("squares of its entries overflow or underflow, so a further pass is needed")
        return self._again(basis, self.scale).gram

    def largest(self) -> float:
        """Return the largest absolute entry."""
        return self._state.largest or 0.0
