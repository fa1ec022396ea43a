"""What the rows of a table tell before any decomposition.

Shapes: D rows of a table (cardinality), K columns.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.analysis.measures.left_sums import LeftSums, added, left_sums
from collapse.analysis.measures.row_stream import RowStream
from collapse.analysis.measures.spectra import SQUARES, threads_for


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

    def measured(start: int) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64], int], LeftSums]:
        chunk = stream.array(start)
        here = slice(start, start + len(chunk))
        of_rows = chunk if enters is None else chunk[enters[here]]
        return _of_chunk(of_rows), left_sums(
            chunk,
            None if weights is None else np.asarray(weights[here], np.float64),
            None if counts is None else np.asarray(counts[here], np.float64),
        )

    with threads_for(stream.shape[1]) as threads, ThreadPoolExecutor(threads) as pool:
        found, sums = zip(*pool.map(measured, stream.starts), strict=True)
    norms, directions, numbers = zip(*found, strict=True)
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
    return RowMeasures(
        sums=added([part.sums for part in parts]),
        zero=len(zero),
        first_zero=first,
        near_zero=float(np.mean(norms < tolerance * greatest)) if greatest > 0 else 1.0,
        anisotropy=float((direction @ direction - counted) / pairs) if pairs else float("nan"),
    )


def _of_chunk(chunk: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the norms of the rows, the sum of the unit vectors along them, and how many are not zero."""
    with np.errstate(all="ignore"):
        squares = np.einsum("dk,dk->d", chunk, chunk)
    if ((squares > SQUARES[0]) & (squares < SQUARES[1])).all():
        norms = np.sqrt(squares)
        return norms, (1 / norms) @ chunk, len(chunk)
    # Scaled by the largest entry of the row where a square over- or underflows, or is zero.
    largest = np.abs(chunk).max(axis=1, initial=0)
    scaled = chunk[largest > 0] / largest[largest > 0, None]
    lengths = np.sqrt(np.einsum("dk,dk->d", scaled, scaled))
    norms = np.zeros(len(chunk))
    norms[largest > 0] = largest[largest > 0] * lengths
    return norms, (1 / lengths) @ scaled, len(scaled)
