"""Spectra and row measures of the segments of a table's rows, from one pass over them.

Shapes: D rows of a table (cardinality), K columns, S segments.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.measures.one_pass import AfterFirst
from collapse.measures.row_stream import RowStream, in_memory
from collapse.measures.rows import ChunkMeasures, RowMeasures, RowPart, chunk_measures, combined
from collapse.measures.spectra import Spectrum, StreamPasses, decompose, decompose_passes, is_short, threads_for

_ENTRIES = 1 << 18
"""Entries that are divided among the segments together, 2 MB of float64."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentMeasures:
    """Measures of the rows of one segment."""

    rows: int
    """Number of rows."""
    gram: NDArray[np.float64]
    """E^T E of these rows, shape (K, K). Those of all segments add up to that of the table."""
    spectrum: Spectrum
    """Their singular values and right singular vectors."""
    of_rows: RowMeasures
    """Measures of the rows. Near zero is relative to the largest norm of all segments."""


def measure_segments(
    E: Any, codes: NDArray[np.int64], segments: int, *, counts: NDArray[Any] | None = None, tolerance: float = 1e-3
) -> list[SegmentMeasures | None]:
    """Measure every segment of a table.

    Parameters
    ----------
    E : (D, K) array
        The table, as `singular_values` takes it.
    codes : (D,) array of int
        Segment of every row, from 0; rows with other numbers are left out.
    segments : int
        Number of segments S.
    counts : (D,) array, optional
        How often training looked up each row.
    tolerance : float
        Norm below which a row counts as near zero, relative to the largest norm.

    Returns
    -------
    list of SegmentMeasures or None
        One per segment; None for a segment without rows.

    Raises
    ------
    ValueError
        If a row holds NaN or infinity, or `codes` has another length.

    Notes
    -----
    Segments with a deep spectrum take further passes, as in `decompose`.
    """
    stream = RowStream(E)
    D, K = stream.shape
    if codes.shape != (D,):
        raise ValueError(f"there are {len(codes)} segment codes for {D} rows")
    sizes = [int(np.count_nonzero(codes == s)) for s in range(segments)]
    grams = np.zeros((segments, K, K))
    measured: list[list[ChunkMeasures]] = [[] for _ in sizes]
    short: list[list[NDArray[np.float64]]] = [[] for _ in sizes]
    step = max(1, _ENTRIES // K)
    for start in range(0, D, step):
        chunk = in_memory(stream.chunk(start, step))
        stream.check(chunk, start)
        here = codes[start : start + len(chunk)]
        of_chunk = None if counts is None else counts[start : start + len(chunk)]
        for s, places in enumerate(_places(here, segments)):
            if not len(places):
                continue
            rows = chunk[places]
            measured[s].append(
                chunk_measures(rows, stream, 0, None, None if of_chunk is None else of_chunk[places])
            )
            with np.errstate(all="ignore"):
                grams[s] += rows.T @ rows
            if is_short(sizes[s], K):
                short[s].append(rows)
    parts = [RowPart.of(each) if each else None for each in measured]
    greatest = max((float(part.norms.max(initial=0)) for part in parts if part is not None), default=0.0)
    return [
        None
        if part is None
        else SegmentMeasures(
            rows=sizes[s],
            gram=grams[s],
            spectrum=_spectrum(E, codes == s, grams[s], short[s]),
            of_rows=_row_measures(part, codes == s, tolerance, greatest),
        )
        for s, part in enumerate(parts)
    ]


def _places(codes: NDArray[np.int64], segments: int) -> list[NDArray[np.intp]]:
    """Return the rows of every segment, ascending."""
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(segments + 1))
    return [order[first:last] for first, last in pairwise(bounds)]


def _spectrum(
    E: Any, chosen: NDArray[np.bool_], gram: NDArray[np.float64], short: Sequence[NDArray[np.float64]]
) -> Spectrum:
    if short:
        return decompose(np.concatenate(short))
    stream = RowStream(E, chosen)
    with threads_for(stream.shape[1]) as threads:
        return decompose_passes(AfterFirst(StreamPasses(stream, threads), gram))


def _row_measures(part: RowPart, chosen: NDArray[np.bool_], tolerance: float, greatest: float) -> RowMeasures:
    found = combined([part], weights=chosen, tolerance=tolerance)
    near = float(np.mean(part.norms < tolerance * greatest)) if greatest > 0 else 1.0
    return replace(found, near_zero=near)
