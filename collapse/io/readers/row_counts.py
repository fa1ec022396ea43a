"""How often training looked up each table row, for checkpoints that do not contain this."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.errors import CollapseError, first_line
from collapse.files.opening import check_is_file
from collapse.io.readers.frames import read_frame
from collapse.io.tables import EmbeddingTable, TableSet

_NAMED = 8
_KEPT = {"counts", "data_hash"}
"""File name of the row counts kept next to a prepared data set."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RowCounts:
    """Row counts of some fields by name, or of all fields one after another."""

    source: str
    """Where they are from."""
    by_field: Mapping[str, NDArray[np.int64] | Mapping[int, int]]
    """For each field, the counts of all rows, shape (D_i,), or a mapping from listed rows to counts."""
    joined: NDArray[np.int64] | None = None
    """Counts of all fields one after another, shape (sum D_i,), if the fields have no names."""


def read_row_counts(path: Path) -> RowCounts:
    """Read row counts.

    Parameters
    ----------
    path : Path
        A CSV or Parquet file with the columns ``field``, ``row`` (or ``id``) and ``count``, where ``field`` may be
        missing for a single table and rows that are not listed count 0; an ``.npz`` file with one array per field;
        or a ``.npy`` file with the counts of all fields one after another.

    Raises
    ------
    CollapseError
        If the file cannot be read, or holds anything but row counts.
    """
    check_is_file(path)
    try:
        if path.suffix in (".npy", ".npz"):
            return _arrays(path)
        if path.suffix in (".csv", ".parquet"):
            return _listed(path)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise CollapseError(f"{path} cannot be read as row counts: {first_line(error)}") from error
    raise CollapseError(f"{path} must be a .csv, .parquet, .npy or .npz file of row counts")


def as_row_counts(given: "RowCounts | str | PathLike[str] | Mapping[str, Any]") -> RowCounts:
    """Return row counts from a file's path, or from arrays by field.

    Raises
    ------
    CollapseError
        If the file cannot be read, or an array does not hold one whole number per row.
    """
    if isinstance(given, RowCounts):
        return given
    if isinstance(given, Mapping):
        by_field = {
            str(name): _checked(np.asarray(counts), f"the row counts of {name!r}")
            for name, counts in given.items()
        }
        return RowCounts(source="the row counts given", by_field=by_field)
    return read_row_counts(Path(given))


def with_row_counts(tables: TableSet, counts: RowCounts) -> TableSet:
    """Attach row counts to tables, replacing those of the checkpoint.

    Returns
    -------
    TableSet
        The tables with counts. Fields without counts are unchanged, and a note lists them.

    Raises
    ------
    CollapseError
        If no field has counts, or the counts do not fit the tables.
    """
    of_fields: Mapping[str, Any] = counts.by_field
    if counts.joined is not None:
        sizes = [table.cardinality for table in tables]
        if sum(sizes) != len(counts.joined):
            raise CollapseError(
                f"{counts.source} has {len(counts.joined):,} row counts, but the tables of {tables.source} have "
                f"{sum(sizes):,} rows in total"
            )
        of_fields = dict(zip(tables.fields, np.split(counts.joined, np.cumsum(sizes)[:-1]), strict=True))
    elif len(tables) == len(of_fields) == 1:
        of_fields = {tables.fields[0]: next(iter(of_fields.values()))}
    missing = [field for field in tables.fields if field not in of_fields]
    if len(missing) == len(tables):
        raise CollapseError(
            f"{counts.source} has no field of {tables.source}: it has {_few(list(of_fields))}, but the tables "
            f"are {_few(missing)}"
        )
    counted = tuple(
        replace(table, row_counts=_of_table(table, of_fields[table.field], counts.source))
        if table.field in of_fields
        else table
        for table in tables
    )
    note = f"row counts are from {counts.source}" + (f", which has none for {_few(missing)}" if missing else "")
    return replace(tables, tables=counted, notes=(*tables.notes, note))


def _of_table(table: EmbeddingTable, counts: Any, source: str) -> NDArray[np.int64]:
    if isinstance(counts, Mapping):
        dense = np.zeros(table.cardinality, np.int64)
        rows = np.fromiter(counts.keys(), np.int64, len(counts))
        if len(rows) and rows.max() >= table.cardinality:
            raise CollapseError(
                f"{source} has a count for row {rows.max():,} of field {table.field!r}, but its table has "
                f"{table.cardinality:,} rows"
            )
        dense[rows] = np.fromiter(counts.values(), np.int64, len(counts))
        return dense
    if len(counts) != table.cardinality:
        raise CollapseError(
            f"{source} has {len(counts):,} row counts for field {table.field!r}, but its table has "
            f"{table.cardinality:,} rows"
        )
    return np.asarray(counts)


def _arrays(path: Path) -> RowCounts:
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return RowCounts(source=str(path), by_field={}, joined=_checked(found, str(path)))
    with found:
        if set(found.files) == _KEPT:
            return RowCounts(source=str(path), by_field={}, joined=_checked(found["counts"], str(path)))
        return RowCounts(
            source=str(path),
            by_field={name: _checked(found[name], f"the array {name!r} of {path}") for name in found.files},
        )


def _listed(path: Path) -> RowCounts:
    frame = read_frame(path, "row counts", missing=False)
    frame = frame.rename(columns={"id": "row"} if "row" not in frame else {})
    if missing := [name for name in ("row", "count") if name not in frame]:
        raise CollapseError(f"{path} has no column {missing[0]!r}: it needs field, row and count")
    rows = _checked(frame["row"].to_numpy(), f"the column 'row' of {path}")
    counts = _checked(frame["count"].to_numpy(), f"the column 'count' of {path}")
    field = frame["field"].astype(str) if "field" in frame else pd.Series("", index=frame.index)
    listed = pd.DataFrame({"field": field.to_numpy(), "row": rows, "count": counts})
    if (twice := listed.duplicated(["field", "row"])).any():
        first = listed[twice].iloc[0]
        raise CollapseError(f"{path} lists row {first['row']} of field {first['field']!r} twice")
    by_field = {
        str(name): dict(zip(of["row"].tolist(), of["count"].tolist(), strict=True))
        for name, of in listed.groupby("field", sort=False)
    }
    return RowCounts(source=str(path), by_field=by_field)


def _checked(values: NDArray[Any], what: str) -> NDArray[np.int64]:
    """Return non-negative whole numbers, or refuse other values."""
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise CollapseError(
            f"{what} must hold one whole number per row, got {values.dtype} of shape {values.shape}"
        )
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.floor(values)).all()):
        raise CollapseError(f"{what} must hold whole numbers")
    if len(values) and not (values.min() >= 0 and values.max() < 2**63):
        raise CollapseError(f"{what} must not be negative, got {values.min()}")
    return values.astype(np.int64)


def _few(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", .." if len(names) > _NAMED else "")
