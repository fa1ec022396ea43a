"""Measures of the rows of a table that need no decomposition.

Shapes: D rows of a table (cardinality), K columns.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.measures.left_sums import LeftSums, added, left_directions
from collapse.measures.row_stream import RowStream, in_memory
from collapse.measures.spectra import SQUARES, threads_for
from collapse.measures.untouched import untouched_rows


@dataclass(frozen=True, kw_only=True)
class RowMeasures:
    """Measures of the rows that enter a spectrum."""

    zero: int
    """Rows of zeros: padding, or rows that were set to zero and never trained."""
    first_zero: int | None
    """Index of the first row of zeros in the whole table; None if there is none."""
    near_zero: float
    """Fraction of rows whose norm is below a tolerance times the largest norm, from 0 (no such row) to 1 (a table
    of zeros). Coupled weight decay under Adam shrinks rows without gradients to zero within a few hundred steps,
    so a table with many rare values has few effective rows."""
    untouched: int
    """Rows that look as if training never touched them (`untouched_rows`); 0 if row counts are known."""
    sums: LeftSums
    """Products of the table from the left, for the abundance without each possible cause."""
    anisotropy: float
    """Mean cosine of two different non-zero rows: 1 if all have the same direction, 0 on average for independent
    directions, at least -1 / (D - 1). NaN with fewer than two such rows. Ethayarajh, How contextual are
    contextualized word representations, EMNLP 2019, Section 4.1, over all pairs instead of a sample."""


def row_measures(
    E: Any,
    *,
    weights: NDArray[Any] | None = None,
    counts: NDArray[Any] | None = None,
    tolerance: float = 1e-3,
) -> RowMeasures:
    """Measure the rows of a table in one pass.

    Parameters
    ----------
    E : (D, K) array
        The table, as `singular_values` takes it.
    weights : (D,) array, optional
        Rows with weight 0 are ignored; the others count equally.
    counts : (D,) array, optional
        How often training looked up each row.
    tolerance : float
        Norm below which a row counts as near zero, relative to the largest norm.

    Returns
    -------
    RowMeasures
        The measures.

    Raises
    ------
    ValueError
        If `E` is not a matrix of numbers, or a row holds NaN or infinity. The message has the number of the row.
    """
    return combined([measure_part(E, weights=weights, counts=counts)], weights=weights, tolerance=tolerance)


@dataclass(frozen=True, kw_only=True)
class RowPart:
    """Measures of some of the rows, which can be combined."""

    norms: NDArray[np.float64]
    """Norms of the rows that are used."""
    direction: NDArray[np.float64]
    """Sum of the unit vectors along these rows."""
    counted: int
    """Number of these rows that are not zero."""
    sums: LeftSums
    """Products of these rows from the left."""

    @classmethod
    def of(cls, chunks: "Sequence[ChunkMeasures]") -> "RowPart":
        """Join the measures of chunks, in the order of the rows."""
        norms, directions, numbers, sums = zip(*chunks, strict=True)
        return cls(
            norms=np.concatenate(norms),
            direction=np.sum(directions, axis=0),
            counted=sum(numbers),
            sums=added(sums),
        )


def measure_part(
    E: Any, *, weights: NDArray[Any] | None = None, counts: NDArray[Any] | None = None, first_row: int = 0
) -> RowPart:
    """Measure some rows of a table; `combined` gives the measures of all.

    Parameters
    ----------
    E : (D, K) array
        The rows.
    weights : (D,) array, optional
        Rows with weight 0 are ignored.
    counts : (D,) array, optional
        How often training looked up each row.
    first_row : int
        Number of the first row, for error messages.

    Returns
    -------
    RowPart
        The measures of these rows.

    Raises
    ------
    ValueError
        As `row_measures`.
    """
    stream = RowStream(E, first_row=first_row)

    def measured(start: int) -> ChunkMeasures:
        return chunk_measures(in_memory(stream.chunk(start)), stream, start, weights, counts)

    with threads_for(stream.shape[1]) as threads, ThreadPoolExecutor(threads) as pool:
        # Starting a thread takes longer than reading one chunk.
        starts = stream.starts
        return RowPart.of(list(pool.map(measured, starts) if len(starts) > 1 else map(measured, starts)))


ChunkMeasures = tuple[NDArray[np.float64], NDArray[np.float64], int, LeftSums]
"""Norms of the rows of a chunk, the sum of their unit vectors, how many are not zero, and their left sums."""


def chunk_measures(
    chunk: NDArray[np.float64],
    stream: RowStream,
    start: int,
    weights: NDArray[Any] | None,
    counts: NDArray[Any] | None,
) -> ChunkMeasures:
    """Measure a chunk of rows.

    Parameters
    ----------
    chunk : (rows, K) array
        The rows, without weights.
    stream : RowStream
        The table that they are from, for the message about NaN.
    start : int
        Number of the first row in the table.
    weights, counts : (D,) array, optional
        As for `measure_part`.

    Raises
    ------
    ValueError
        If a row holds NaN or infinity.
    """
    here = slice(start, start + len(chunk))
    enters = None if weights is None else np.asarray(weights[here]) > 0
    w, c = (None if each is None else np.asarray(each[here], np.float64) for each in (weights, counts))
    never = None if c is None else chunk[c == 0]
    rows = chunk if enters is None else chunk[enters]
    if enters is not None:
        w, c = (None if each is None else each[enters] for each in (w, c))
    f, roots = left_directions(len(rows), w, c)
    found = _of_ordinary(rows, f * roots)
    if found is None or (enters is not None and len(rows) < len(chunk)):
        stream.check(chunk, start)
    norms, direction, counted, products = _of_any(rows, f * roots) if found is None else found
    with np.errstate(all="ignore"):
        untrained = None if never is None else never.T @ never
    return norms, direction, counted, LeftSums(products=products, gram=f @ f.T, untrained=untrained)


def combined(parts: Sequence[RowPart], *, weights: NDArray[Any] | None, tolerance: float) -> RowMeasures:
    """Combine the measures of the parts of a table.

    Parameters
    ----------
    parts : sequence of RowPart
        The parts, in the order of the rows.
    weights : (D,) array or None
        Weights of all rows.
    tolerance : float
        Norm below which a row counts as near zero, relative to the largest norm.

    Returns
    -------
    RowMeasures
        The measures of the table.
    """
    norms = np.concatenate([part.norms for part in parts])
    direction, counted = np.sum([part.direction for part in parts], axis=0), sum(part.counted for part in parts)
    greatest = norms.max(initial=0)
    zero = np.flatnonzero(norms == 0)
    first = int(zero[0] if weights is None else np.flatnonzero(weights)[zero[0]]) if len(zero) else None
    pairs = counted * (counted - 1)
    sums = added([part.sums for part in parts])
    return RowMeasures(
        sums=sums,
        untouched=untouched_rows(norms, len(direction)) if sums.untrained is None else 0,
        zero=len(zero),
        first_zero=first,
        near_zero=float(np.mean(norms < tolerance * greatest)) if greatest > 0 else 1.0,
        anisotropy=float((direction @ direction - counted) / pairs) if pairs else float("nan"),
    )


_OfChunk = tuple[NDArray[np.float64], NDArray[np.float64], int, NDArray[np.float64]]
"""Norms of rows, the sum of their unit vectors, the number of non-zero rows, and f E."""


def _of_ordinary(rows: NDArray[np.float64], f: NDArray[np.float64]) -> _OfChunk | None:
    """Measure rows; None if a norm is zero or not finite, or its square over- or underflows."""
    with np.errstate(all="ignore"):
        squares = np.einsum("dk,dk->d", rows, rows)
    if not ((squares > SQUARES[0]) & (squares < SQUARES[1])).all():
        return None
    norms = np.sqrt(squares)
    # A single product, so that the rows are read once.
    products = np.vstack([1 / norms, f]) @ rows
    return norms, products[0], len(rows), products[1:]


def _of_any(rows: NDArray[np.float64], f: NDArray[np.float64]) -> _OfChunk:
    """Measure rows that are scaled by their largest entries."""
    largest = np.abs(rows).max(axis=1, initial=0)
    scaled = rows[largest > 0] / largest[largest > 0, None]
    lengths = np.sqrt(np.einsum("dk,dk->d", scaled, scaled))
    norms = np.zeros(len(rows))
    norms[largest > 0] = largest[largest > 0] * lengths
    with np.errstate(all="ignore"):
        products = f @ rows
    return norms, (1 / lengths) @ scaled, len(scaled), products
