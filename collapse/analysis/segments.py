"""Diagnosis of the segments of every table: head, middle and tail of the lookups, or groups of a column.

Shapes: D rows of a table (cardinality), S segments.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.analysis.diagnosis import COLUMNS, diagnose_factored
from collapse.analysis.factorised import FactoredTable, FactoredTables
from collapse.analysis.verdicts import Degree
from collapse.errors import CollapseError
from collapse.io.tables import EmbeddingTable
from collapse.measures.precision import precision
from collapse.measures.segments import measure_segments

_HEAD, _MIDDLE = 0.5, 0.9
"""The head has the most frequent rows that together get half of the lookups, the middle those up to 90 %. With a
long tail, the head is a few rows and the tail most of the table."""
LOOKED_UP = ("head", "middle", "tail")
"""Segments of the rows that training looked up."""
_GROUPS = 12
"""Most values of a column that are segments of their own, more would be a table that nobody reads."""
_BINS = 3
"""Segments of a numeric column with more values, of about equal numbers of rows."""


@dataclass(frozen=True, kw_only=True)
class Segments:
    """The segment of every row of a table."""

    names: tuple[str, ...]
    """Names of the segments."""
    codes: NDArray[np.int64]
    """Segment of every row, shape (D,); -1 for rows that are in none."""


By = Callable[[EmbeddingTable], Segments]
"""Divides the rows of a table."""


def by_lookups(table: EmbeddingTable) -> Segments:
    """Divide rows into head, middle and tail by how often training looked them up, and those it never did.

    Raises
    ------
    CollapseError
        If row counts are unknown.
    """
    counts = table.row_counts
    if counts is None:
        raise CollapseError(
            f"segments by lookups need to know how often the rows of field {table.field!r} were looked up: pass "
            "--row-counts"
        )
    order = np.argsort(-counts, kind="stable")
    # The lookups of the rows before this one decide, so that the first row is always in the head.
    before = np.cumsum(counts[order]) - counts[order]
    total = max(int(counts.sum()), 1)
    codes = np.empty(len(counts), np.int64)
    codes[order] = (before >= _HEAD * total).astype(int) + (before >= _MIDDLE * total)
    codes[counts == 0] = 3
    return Segments(names=(*LOOKED_UP, "never looked up"), codes=codes)


def by_labels(labels: Mapping[str, Any]) -> By:
    """Divide rows by labels.

    Parameters
    ----------
    labels : mapping of str to (D,) array
        A label of every row, by field. Fields without labels are one segment, ``all``.
    """

    def divide(table: EmbeddingTable) -> Segments:
        of_field = labels.get(table.field)
        if of_field is None:
            return Segments(names=("all",), codes=np.zeros(table.cardinality, np.int64))
        if len(of_field) != table.cardinality:
            raise CollapseError(
                f"there are {len(of_field):,} labels for field {table.field!r}, which has {table.cardinality:,} "
                "rows"
            )
        codes, names = pd.factorize(np.asarray(of_field), sort=True)
        return Segments(names=tuple(map(str, names)), codes=codes.astype(np.int64))

    return divide


def by_column(side: pd.DataFrame, column: str) -> By:
    """Divide rows by a column of a side table.

    Parameters
    ----------
    side : pandas.DataFrame
        Result of `collapse.analysis.side.read_side`: indexed by row. With a column ``field``, rows of several
        tables; otherwise they must be those of the only table.
    column : str
        A column of texts or of few values, which become segments, or of numbers, which are divided into three
        ranges with about as many rows each.

    Raises
    ------
    CollapseError
        If the column does not exist.
    """
    if column not in side:
        raise CollapseError(f"the side table has no column {column!r}: it has {', '.join(map(str, side.columns))}")

    def divide(table: EmbeddingTable) -> Segments:
        of_field = side[side["field"].astype(str) == table.field] if "field" in side else side
        rows = of_field.index.to_numpy()
        if len(rows) and (rows.min() < 0 or rows.max() >= table.cardinality):
            raise CollapseError(
                f"the side table has row {rows.max()}, but the table of {table.field!r} has only "
                f"{table.cardinality:,} rows"
            )
        names, codes = _grouped(of_field[column], column)
        whole = np.full(table.cardinality, len(names), np.int64)
        whole[rows] = codes
        return Segments(names=(*names, "not listed"), codes=whole)

    return divide


def _grouped(values: "pd.Series[Any]", column: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the groups of a column, and the group of every row."""
    missing = values.isna().to_numpy()
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if is_number and values.nunique() > _GROUPS:
        known = values[~missing].to_numpy(np.float64)
        edges = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS, method="inverted_cdf"))
        codes = np.searchsorted(edges, values.to_numpy(np.float64), side="left")
        names = [
            f"{column} <= {edges[0]:g}",
            *(f"{column} <= {edge:g}" for edge in edges[1:]),
            f"{column} > {edges[-1]:g}",
        ]
    else:
        texts = values.astype(str)
        top = texts[~missing].value_counts().index[:_GROUPS].tolist()
        codes = pd.Index([*top]).get_indexer(pd.Index(texts))
        rest = len(top)
        names = [*top, "other"]
        codes = np.where(codes < 0, rest, codes)
    codes = np.where(missing, len(names), codes).astype(np.int64)
    return [*names, "missing"], codes


def diagnose_segments(factored: FactoredTables, by: By) -> pd.DataFrame:
    """Diagnose every segment of every table like a table, in one pass over the rows.

    Parameters
    ----------
    factored : FactoredTables
        The checkpoint.
    by : callable
        `by_lookups`, or the result of `by_column`.

    Returns
    -------
    pandas.DataFrame
        One row per field and segment with rows: ``field``, ``segment``, ``rows``, ``lookups`` (the fraction of the
        field's lookups; NaN if unknown), and the columns of `collapse.analysis.diagnosis.COLUMNS`. Near zero is
        relative to the largest norm of the field.

    Raises
    ------
    CollapseError
        If rows are weighted or centred, which only whole tables can be, or the rows cannot be divided.
    """
    settings = factored.settings
    if settings.rows == "frequency" or settings.centred:
        raise CollapseError(
            "--by cannot be combined with --rows frequency or --centred, which are of whole tables"
        )
    frames = []
    for table, measured in zip(factored.tables, factored.measured, strict=True):
        segments = by(table)
        # Rows that are left out of the table's diagnosis are left out here.
        codes = segments.codes if measured.weights is None else np.where(measured.weights > 0, segments.codes, -1)
        parts = _factored(table, codes, len(segments.names), factored)
        used = [s for s, part in enumerate(parts) if part is not None]
        of_table = replace(factored, given=tuple(part for part in parts if part is not None))
        frame = diagnose_factored(of_table).drop(columns="field")
        lookups = _lookups(table, codes, used)
        frame.insert(0, "field", table.field)
        frame.insert(1, "segment", [segments.names[s] for s in used])
        frame.insert(2, "rows", frame["rows_entered"])
        frame.insert(3, "lookups", lookups)
        frames.append(frame)
    found = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["segment", *COLUMNS])
    found.attrs = {}
    return found


def _lookups(table: EmbeddingTable, codes: NDArray[np.int64], used: list[int]) -> list[float]:
    counts = table.row_counts
    if counts is None or not counts.any():
        return [float("nan")] * len(used)
    return [float(counts[codes == s].sum() / counts.sum()) for s in used]


def _factored(
    table: EmbeddingTable, codes: NDArray[np.int64], segments: int, factored: FactoredTables
) -> list[FactoredTable | None]:
    counts = table.row_counts
    try:
        found = measure_segments(table.E, codes, segments, counts=counts, tolerance=factored.settings.near_zero)
    except ValueError as error:
        raise CollapseError(f"field {table.field!r} of {factored.tables.source}: {error}") from error
    eps, spacing = precision(table.E)
    return [
        None
        if each is None
        else FactoredTable(
            field=table.field,
            cardinality=each.rows,
            rows=each.rows,
            weights=None,
            rows_trained=None if counts is None else int(np.count_nonzero(counts[codes == s])),
            of_rows=each.of_rows,
            spectrum=each.spectrum,
            eps=eps,
            spacing=spacing / each.spectrum.scale,
        )
        for s, each in enumerate(found)
    ]


def affected(segments: pd.DataFrame) -> tuple[float, float]:
    """Return the fractions of the rows and of the lookups that are in collapsed or partly collapsed segments.

    Parameters
    ----------
    segments : pandas.DataFrame
        Result of `diagnose_segments`.

    Returns
    -------
    rows, lookups : float
        Over all fields, each of which has the same number of lookups. NaN for the lookups if they are unknown.
    """
    low = segments["degree"].isin([str(Degree.COLLAPSED), str(Degree.PARTLY)])
    rows = float(segments.loc[low, "rows"].sum() / max(segments["rows"].sum(), 1))
    known = segments.dropna(subset=["lookups"])
    fields = known["field"].nunique()
    lookups = float(known.loc[low, "lookups"].sum() / fields) if fields else float("nan")
    return rows, lookups
