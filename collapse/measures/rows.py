"""What the rows of a table tell before any decomposition.

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
    """Rows of zeros alone: a row of padding, or one that was set to zero and never trained."""
    first_zero: int | None
    """The first of them, from 0, in the whole table; None if there is none."""
    near_zero: float
    """Share of rows whose norm is below a tolerance times the largest row's: from 0, where every row counts, to 1,
    where the table is zero. Coupled weight decay under Adam drives a row that gets no gradient to zero within some
    hundred steps, so a table of many rare values holds few rows that count."""
    untouched: int
    """Rows that look as if training never touched them (`untouched_rows`); 0 where row counts are known."""
    sums: LeftSums
    """The table's products from the left, for what its abundance is without one thing."""
    anisotropy: float
    """Mean cosine of two different rows, both not zero: 1 where all point the same way, 0 on average for
    independent directions, at least -1 / (D - 1). NaN with fewer than two such rows. Ethayarajh, How contextual
    are contextualized word representations, EMNLP 2019, Section 4.1, over all pairs in place of a sample."""


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
        Rows of weight 0 do not enter; the others count alike.
    counts : (D,) array, optional
        How often each row was looked up in training.
    tolerance : float
        What counts as near zero, relative to the largest row.

    Returns
    -------
    RowMeasures
        The measures.

    Raises
    ------
    ValueError
        If `E` is no matrix of numbers, or a row holds NaN or infinity; the message names the row.
    """
    return combined([measure_part(E, weights=weights, counts=counts)], weights=weights, tolerance=tolerance)


@dataclass(frozen=True, kw_only=True)
class RowPart:
    """What a part of the rows tells of itself."""

    norms: NDArray[np.float64]
    """The norms of those that enter."""
    direction: NDArray[np.float64]
    """The sum of the unit vectors along them."""
    counted: int
    """How many of them are not zero."""
    sums: LeftSums
    """Their products from the left."""


def measure_part(
    E: Any, *, weights: NDArray[Any] | None = None, counts: NDArray[Any] | None = None, first_row: int = 0
) -> RowPart:
    """Measure some rows of a table, of which `combined` makes the measures of all.

    Parameters
    ----------
    E : (D, K) array
        The rows.
    weights : (D,) array, optional
        Rows of weight 0 do not enter.
    counts : (D,) array, optional
        How often each row was looked up in training.
    first_row : int
        The number of the first, for errors.

    Returns
    -------
    RowPart
        What they tell.

    Raises
    ------
    ValueError
        As from `row_measures`.
    """
    stream = RowStream(E, first_row=first_row)
    enters = None if weights is None else np.asarray(weights) > 0

    def measured(start: int) -> tuple[NDArray[np.float64], NDArray[np.float64], int, LeftSums]:
        chunk = in_memory(stream.chunk(start))
        here = slice(start, start + len(chunk))
        w, c = (None if each is None else np.asarray(each[here], np.float64) for each in (weights, counts))
        never = None if c is None else chunk[c == 0]
        rows = chunk if enters is None else chunk[enters[here]]
        if enters is not None:
            w, c = (None if each is None else each[enters[here]] for each in (w, c))
        f, roots = left_directions(len(rows), w, c)
        found = _of_ordinary(rows, f * roots)
        if found is None or (enters is not None and len(rows) < len(chunk)):
            stream.check(chunk, start)
        norms, direction, counted, products = _of_any(rows, f * roots) if found is None else found
        with np.errstate(all="ignore"):
            untrained = None if never is None else never.T @ never
        return norms, direction, counted, LeftSums(products=products, gram=f @ f.T, untrained=untrained)

    with threads_for(stream.shape[1]) as threads, ThreadPoolExecutor(threads) as pool:
        # A thread takes longer to start than one chunk to read.
        starts = stream.starts
        of_chunks = pool.map(measured, starts) if len(starts) > 1 else map(measured, starts)
        norms, directions, numbers, sums = zip(*of_chunks, strict=True)
    return RowPart(
        norms=np.concatenate(norms), direction=np.sum(directions, axis=0), counted=sum(numbers), sums=added(sums)
    )


def combined(parts: Sequence[RowPart], *, weights: NDArray[Any] | None, tolerance: float) -> RowMeasures:
    """Make the measures of a table of those of its parts.

    Parameters
    ----------
    parts : sequence of RowPart
        The parts, in the order of the rows.
    weights : (D,) array or None
        The weights of all rows.
    tolerance : float
        What counts as near zero, relative to the largest row.

    Returns
    -------
    RowMeasures
        The measures.
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
"""The norms of rows, the sum of the unit vectors along them, how many are not zero, and f E."""


def _of_ordinary(rows: NDArray[np.float64], f: NDArray[np.float64]) -> _OfChunk | None:
    """Measure rows; None if a norm is zero, not finite, or has a square that over- or underflows."""
    with np.errstate(all="ignore"):
        squares = np.einsum("dk,dk->d", rows, rows)
    if not ((squares > SQUARES[0]) & (squares < SQUARES[1])).all():
        return None
    norms = np.sqrt(squares)
    # One product, which reads the rows once.
    products = np.vstack([1 / norms, f]) @ rows
    return norms, products[0], len(rows), products[1:]


def _of_any(rows: NDArray[np.float64], f: NDArray[np.float64]) -> _OfChunk:
    """Measure rows, each scaled by its largest entry."""
    largest = np.abs(rows).max(axis=1, initial=0)
    scaled = rows[largest > 0] / largest[largest > 0, None]
    lengths = np.sqrt(np.einsum("dk,dk->d", scaled, scaled))
    norms = np.zeros(len(rows))
    norms[largest > 0] = largest[largest > 0] * lengths
    with np.errstate(all="ignore"):
        products = f @ rows
    return norms, (1 / lengths) @ scaled, len(scaled), products
