"""A Parquet file as columns of text, read one row group at a time.

It is read by PyArrow, because Polars' reader panics if a file is truncated while it is read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from collapse.errors import CollapseError, shortened
from collapse.training.data.text.delimited import BLOCK_BYTES
from collapse.training.data.text.file import TextBlock, TextFile, check_distinct
from collapse.training.data.text.raw_file import RawFile, opened

BATCH_ROWS = 1 << 17
"""Rows that are read together."""
_WITH_TEXT = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_large_string,
    pa.types.is_string_view, pa.types.is_date, pa.types.is_timestamp, pa.types.is_time, pa.types.is_decimal128,
    pa.types.is_null,
)  # fmt: skip
_FLOATS = (pl.Float32, pl.Float64)
_PLAIN = (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Date, pl.Datetime, pl.Time, pl.Decimal, pl.Null)


class ParquetFile(TextFile):
    """A Parquet file.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    CollapseError
        If the file is not a complete Parquet file, or two columns have the same name.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with opened(path, quiet=True), _readable(path), pq.ParquetFile(path) as file:
            self.columns = tuple(file.schema_arrow.names)
        check_distinct(self.columns, path)
        if "" in self.columns:
            number = self.columns.index("") + 1
            raise CollapseError(f"{path}: column {number} has no name: rename it")

    def _blocks(self, raw: RawFile, columns: Sequence[str]) -> Iterator[TextBlock]:
        first = 1
        for _ in raw.chunks(BLOCK_BYTES):
            pass  # Hashed, and its bar run: Parquet is not read from beginning to end.
        for cells in self._batches(columns):
            places = np.arange(first, first + len(cells))
            yield TextBlock(path=self.path, cells=cells, places=places, faults={}, unit="row")
            first += len(cells)
        self.source = raw.finished()
        if first == 1:
            raise CollapseError(f"{self.path} is empty")

    def _batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        with _readable(self.path), pq.ParquetFile(self.path, page_checksum_verification=True) as file:
            types = dict(zip(self.columns, file.schema_arrow.types, strict=True))
            for name in columns:
                # Polars panics at some of the other types.
                if not _has_text(types[name]):
                    raise CollapseError(_no_text(self.path, name, types[name]))
            for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
                # A damaged file may hold invalid text, which Polars would accept without checking.
                batch.validate(full=True)
                # Keep only names and types, because the file's other metadata is unchecked.
                frame = pl.from_arrow(pa.RecordBatch.from_arrays(batch.columns, names=batch.schema.names))
                assert isinstance(frame, pl.DataFrame)
                yield as_text(frame[list(columns)], self.path)


def as_text(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Convert the columns of a block to text.

    Parameters
    ----------
    frame : pl.DataFrame
        Columns of any type.
    path : Path
        The file, for the error message.

    Returns
    -------
    pl.DataFrame
        Text; null for missing values and NaN. Whole numbers are written without a decimal point, so that 7 and 7.0
        are the same value: columns of whole numbers with missing values are often stored as floats.

    Raises
    ------
    CollapseError
        If a column has a type without a unique text: lists, structs, bytes.
    """
    for name, kind in frame.schema.items():
        if not (kind.is_numeric() or kind in _PLAIN):
            raise CollapseError(_no_text(path, name, kind))
    return frame.select(_text(pl.nth(place), kind) for place, kind in enumerate(frame.dtypes))


def _has_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _has_text(kind.value_type)
    return any(is_kind(kind) for is_kind in _WITH_TEXT)


def _no_text(path: Path, name: str, kind: object) -> str:
    return (
        f"{path}: column {shortened(name)} has type {kind}, which cannot be written as text: leave it out "
        "with --drop"
    )


def _text(column: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if kind not in _FLOATS:
        return column.cast(pl.String)
    whole = column.cast(pl.Int64, strict=False)
    return (
        pl.when(~column.is_nan())
        .then(pl.when(whole.cast(kind) == column).then(whole.cast(pl.String)).otherwise(column.cast(pl.String)))
        .name.keep()
    )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, pl.exceptions.PanicException) as error:
        reason = str(error).partition("\n")[0]
        raise CollapseError(f"{path} is not a complete Parquet file, or cannot be read: {reason}") from error
