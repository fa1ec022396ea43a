"""What the rows of a table tell before any decomposition.

Shapes: D rows of a table (cardinality), K columns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.analysis.measures.row_stream import RowStream


@dataclass(frozen=True, kw_only=True)
class RowMeasures:
    """Measures of the rows that enter a spectrum."""

    near_zero: float
    """Share of rows whose norm is below a tolerance times the largest row's: from 0, where every row counts, to 1,
    where the table is zero. Coupled weight decay under Adam drives a row that gets no gradient to zero within some
    hundred steps, so a table of many rare values holds few rows that count."""
    anisotropy: float
    """Mean cosine of two different rows, both not zero: 1 where all point the same way, 0 on average for
    independent directions, at least -1 / (D - 1). NaN with fewer than two such rows. Ethayarajh, How contextual
    are
    contextualized word representations, EMNLP 2019, Section 4.1, over all pairs in place of a sample."""


def row_measures(E: Any, *, weights: NDArray[Any] | None = None, tolerance: float = 1e-3) -> RowMeasures:
    """Measure the rows of a table in one pass.

    Parameters
    ----------
    E : (D, K) array
        The table, as `singular_values` takes it.
    weights : (D,) array, optional
        Rows of weight 0 do not enter; the others count alike.
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
    norms, direction, counted = [], np.zeros(E.shape[1]), 0
    enters = None if weights is None else np.asarray(weights) > 0
    for start, chunk in RowStream(E).arrays():
        if enters is not None:
            chunk = chunk[enters[start : start + len(chunk)]]
        # Scaled by the largest entry of the row, so that no square over- or underflows.
        largest = np.abs(chunk).max(axis=1, initial=0)
        units = chunk[largest > 0] / largest[largest > 0, None]
        lengths = np.sqrt(np.einsum("dk,dk->d", units, units))
        direction += (1 / lengths) @ units
        counted += len(units)
        of_chunk = np.zeros(len(chunk))
        of_chunk[largest > 0] = largest[largest > 0] * lengths
        norms.append(of_chunk)
    all_norms = np.concatenate(norms)
    greatest = all_norms.max(initial=0)
    pairs = counted * (counted - 1)
    return RowMeasures(
        near_zero=float(np.mean(all_norms < tolerance * greatest)) if greatest > 0 else 1.0,
        anisotropy=float((direction @ direction - counted) / pairs) if pairs else float("nan"),
    )
