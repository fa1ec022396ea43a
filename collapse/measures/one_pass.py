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
    stream = RowStream(E, weights)
    plain = RowStream(E)
    D, K = stream.shape
    F, sums = joined_rows(K), partial_sums(D, K, len(stream.starts))

    def partial(first: int) -> tuple[NDArray[np.float64], list[ChunkMeasures]]:
        total, found = np.zeros((F * K, F * K)), []
        for start in stream.starts[first::sums]:
            chunk = plain.chunk(start)
            found.append(chunk_measures(chunk, plain, start, weights, counts))
            with np.errstate(all="ignore"):
                total += wide_product(stream.weighted(chunk, start), F)
        return fold(total, F), found

    with threads_for(K) as threads, ThreadPoolExecutor(min(sums, threads)) as pool:
        parts = list(pool.map(partial, range(sums)) if sums > 1 else map(partial, range(sums)))
        with np.errstate(invalid="ignore"):
            G = np.sum([gram for gram, _ in parts], axis=0)
        spectrum = decompose_passes(_AfterFirst(StreamPasses(stream, threads), G))
    part = RowPart.of([parts[number % sums][1][number // sums] for number in range(len(stream.starts))])
    return combined([part], weights=weights, tolerance=tolerance), spectrum


class _AfterFirst:
    """Passes over a table whose first one is done."""

    def __init__(self, passes: StreamPasses, first: NDArray[np.float64]) -> None:
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
