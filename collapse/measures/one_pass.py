"""The row measures and the spectrum of a table in one pass over its rows, for tables that are slow to read.

Shapes: D rows of a table (cardinality), K columns.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.measures.row_stream import RowStream
from collapse.measures.rows import ChunkMeasures, RowMeasures, RowPart, chunk_measures, combined
from collapse.measures.spectra import (
    Passes,
    Spectrum,
    StreamPasses,
    decompose_passes,
    fold,
    joined_rows,
    partial_sums,
    threads_for,
    wide_product,
)


def measure_and_decompose(
    E: Any, *, weights: NDArray[Any] | None = None, counts: NDArray[Any] | None = None, tolerance: float = 1e-3
) -> tuple[RowMeasures, Spectrum]:
    """Return what `row_measures` and `decompose` return, but read the rows once.

    A deep spectrum takes further passes, as in `decompose`.

    Parameters
    ----------
    E : (D, K) array
        A long table (`collapse.measures.spectra.is_short` is False), not on a device.
    weights, counts, tolerance
        As for `row_measures`.

    Raises
    ------
    ValueError
        If a row holds NaN or infinity. The message has its number.
    """
    G, part = first_pass(E, weights=weights, counts=counts)
    stream = RowStream(E, weights)
    with threads_for(stream.shape[1]) as threads:
        spectrum = decompose_passes(AfterFirst(StreamPasses(stream, threads), G))
    return combined([part], weights=weights, tolerance=tolerance), spectrum


def first_pass(
    E: Any, *, weights: NDArray[Any] | None = None, counts: NDArray[Any] | None = None, first_row: int = 0
) -> tuple[NDArray[np.float64], RowPart]:
    """Return the Gram matrix of a table or of some of its rows, and the measures of the rows, from one pass.

    Parameters
    ----------
    E, weights, counts
        As for `measure_and_decompose`; all weights may be zero.
    first_row : int
        Number of the first row, for the message about NaN.

    Returns
    -------
    gram : (K, K) array
        E^T E of the weighted rows; not finite if squares overflow.
    part : RowPart
        Measures of the rows.

    Raises
    ------
    ValueError
        If a row holds NaN or infinity.
    """
    plain = RowStream(E, first_row=first_row)
    is_empty = weights is not None and not np.any(weights)
    stream = plain if is_empty else RowStream(E, weights, first_row=first_row)
    D, K = plain.shape
    F, sums = joined_rows(K), partial_sums(D, K, len(plain.starts))

    def partial(first: int) -> tuple[NDArray[np.float64], list[ChunkMeasures]]:
        total, found = np.zeros((F * K, F * K)), []
        for start in plain.starts[first::sums]:
            chunk = plain.chunk(start)
            found.append(chunk_measures(chunk, plain, start, weights, counts))
            if not is_empty:
                with np.errstate(all="ignore"):
                    total += wide_product(stream.weighted(chunk, start), F)
        return fold(total, F), found

    with threads_for(K) as threads, ThreadPoolExecutor(min(sums, threads)) as pool:
        # Starting a thread takes longer than reading a short table.
        parts = list(pool.map(partial, range(sums)) if sums > 1 else map(partial, range(sums)))
    with np.errstate(invalid="ignore"):
        G = np.asarray(np.sum([gram for gram, _ in parts], axis=0))
    return G, RowPart.of([parts[number % sums][1][number // sums] for number in range(len(plain.starts))])


class AfterFirst:
    """Passes over a table whose first one is done.

    Parameters
    ----------
    passes : Passes
        Further passes.
    first : (K, K) array
        The Gram matrix of the first.
    """

    def __init__(self, passes: Passes, first: NDArray[np.float64]) -> None:
        self._passes, self._first = passes, [first]
        self.shape, self.rank_bound, self.scale = passes.shape, passes.rank_bound, passes.scale

    def gram(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the result of the first pass, or take another."""
        if self._first:
            return self._first.pop()
        self._passes.scale = self.scale
        return self._passes.gram(basis)

    def largest(self) -> float:
        """Return the largest absolute entry."""
        return self._passes.largest()
