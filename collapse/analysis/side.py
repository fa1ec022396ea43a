"""Directions of a table: their energy, and what their left singular vectors follow over the rows.

Shapes: D rows of a table (cardinality), n directions.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.analysis.factorised import FactoredTable
from collapse.errors import CollapseError, first_line
from collapse.files.opening import check_is_file
from collapse.io.readers.frames import read_frame
from collapse.io.tables import EmbeddingTable
from collapse.measures.causes import alignments
from collapse.measures.centred import Centred
from collapse.measures.left_sums import FOLLOWED
from collapse.measures.row_stream import RowStream, in_memory

DIRECTIONS = 5
"""Number of directions that are described, from the strongest."""


def read_side(path: Path, *, several: bool = False) -> pd.DataFrame:
    """Read a description of the rows of a table.

    Parameters
    ----------
    path : Path
        A CSV or Parquet file with one row per row of the table, in order or with a column ``row`` of row numbers.
    several : bool
        The file may describe several tables, in a column ``field``.

    Returns
    -------
    pandas.DataFrame
        The other columns, indexed by row.

    Raises
    ------
    CollapseError
        If the file cannot be read, or lists a row twice.
    """
    check_is_file(path)
    if path.suffix not in (".csv", ".parquet"):
        raise CollapseError(f"{path} must be a .csv or .parquet file")
    frame = read_frame(path, "a table")
    try:
        if "row" in frame:
            frame = frame.set_index(frame["row"].astype(int)).drop(columns="row")
    except (ValueError, TypeError) as error:
        raise CollapseError(f"{path} cannot be read as a table: {first_line(error)}") from error
    named = several and "field" in frame
    twice = (frame.set_index("field", append=True) if named else frame).index.duplicated()
    if twice.any():
        raise CollapseError(f"{path} lists row {frame.index[twice][0]} twice")
    if not len(frame.columns):
        raise CollapseError(f"{path} has no column other than row")
    return frame.rename_axis(None)


def directions(
    table: FactoredTable, of: EmbeddingTable, *, side: pd.DataFrame | None, centred: bool
) -> pd.DataFrame:
    """Describe the strongest directions of a table.

    Parameters
    ----------
    table : FactoredTable
        The table with its spectrum.
    of : EmbeddingTable
        The same table with its numbers, which are read only if there is a side table.
    side : pandas.DataFrame or None
        A description of the rows, indexed by row.
    centred : bool
        Whether the mean row was subtracted.

    Returns
    -------
    pandas.DataFrame
        As `collapse.analysis.explanation.Explanation.directions`.

    Raises
    ------
    CollapseError
        If the side table has other rows than the table.
    """
    sigma = table.spectrum.values
    n = min(DIRECTIONS, int(np.count_nonzero(sigma)))
    follows = alignments(table.spectrum, table.of_rows.sums)[:, :n]
    columns: dict[str, Any] = {"k": np.arange(1, n + 1), "energy": sigma[:n] ** 2 / max((sigma**2).sum(), 1e-300)}
    columns |= dict(zip(FOLLOWED, follows, strict=False))
    if side is not None and n:
        rows = np.arange(of.cardinality) if table.weights is None else np.flatnonzero(table.weights)
        unknown = side.index[(side.index < 0) | (side.index >= of.cardinality)]
        if len(unknown):
            raise CollapseError(
                f"the side table has row {unknown[0]}, but the table of {of.field!r} has only "
                f"{of.cardinality:,} rows"
            )
        U = _left_vectors(table, of, n, centred=centred)
        of_rows = side.reindex(rows)
        columns |= {str(name): _correlations(U, of_rows[name]) for name in side.columns}
    return pd.DataFrame(columns)


def _left_vectors(table: FactoredTable, of: EmbeddingTable, n: int, *, centred: bool) -> NDArray[np.float64]:
    """Return u_k = E v_k / sigma_k of the measured rows, shape (D, n), with equal weights."""
    E = Centred(of.E, table.of_rows.sums.mean) if centred else of.E
    stream = RowStream(E, None if table.weights is None else table.weights > 0)
    stream.scale = table.spectrum.scale
    V = table.spectrum.V[:, :n] / table.spectrum.values[:n]
    return np.concatenate([in_memory(stream.chunk(start)) @ V for start in stream.starts])


def _correlations(U: NDArray[np.float64], column: "pd.Series[Any]") -> NDArray[np.float64]:
    """Return the (multiple) correlation of every direction with a column, from 0 to 1."""
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    known = column.notna().to_numpy()
    U, column = U[known] - U[known].mean(axis=0), column[known]
    if len(column) < 3:
        return np.full(U.shape[1], np.nan)
    total = (U**2).sum(axis=0)
    if is_number:
        s = column.to_numpy(np.float64)
        s = s - s.mean()
        explained, groups = (s @ U) ** 2 / max(float(s @ s), 1e-300), 2
    else:
        codes, names = pd.factorize(column)
        counts = np.bincount(codes, minlength=len(names))
        sums = np.stack([np.bincount(codes, weights=u, minlength=len(names)) for u in U.T])
        explained, groups = (sums**2 / counts).sum(axis=1), len(names)
    if groups >= len(column):
        return np.full(U.shape[1], np.nan)
    with np.errstate(all="ignore"):
        left = 1 - np.minimum(explained / total, 1)
        # As many groups as rows would explain everything.
        return np.asarray(np.sqrt(np.clip(1 - left * (len(column) - 1) / (len(column) - groups), 0, 1)))
