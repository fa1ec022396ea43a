"""Files that hold a table of a user's own, delimited text or Parquet, read as columns of text."""

import csv
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from collapse.errors import CollapseError, shortened
from collapse.training.data.delimited import LONGEST_ROW, NO_QUOTES, Format, Parsed, read_rows
from collapse.training.data.prepared import Source
from collapse.training.data.raw_file import opened
from collapse.training.data.records import last_end, records
from collapse.training.data.skipped import SkippedRows

SEPARATORS = {".csv": ",", ".tsv": "\t"}

Parse = Callable[[pl.DataFrame], Parsed]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How delimited text is read; Parquet needs to be told nothing."""

    separator: str | None = None
    """What stands between two columns; by default what the file's name says, ``.csv`` or ``.tsv``."""
    columns: tuple[str, ...] = ()
    """The columns' names, of a file without a header."""
    header: bool = True
    """Whether the first row names the columns; else, if no names are given, they are column_1, column_2, …"""
    quotes: bool = True
    """Whether cells may be quoted; else a quotation mark is a character like any other."""


class TableFile(ABC):
    """One file: its columns are known, its rows are read block by block.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: tuple[str, ...] = ()
        """The columns' names in order."""
        self.source: Source | None = None
        """What was read, once `rows` has come to its end."""

    @abstractmethod
    def rows(
        self, columns: Sequence[str], parse: Parse, skipped: SkippedRows
    ) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
        """Read the file.

        Parameters
        ----------
        columns : sequence of str
            The columns that `parse` needs.
        parse : callable
            From a block of columns as text to fields, labels and faults.
        skipped : SkippedRows
            What is done with malformed rows.

        Yields
        ------
        fields : pl.DataFrame
            The fields of good rows.
        labels : pl.Series
            Their labels.

        Raises
        ------
        CollapseError
            If the file cannot be read, is empty or damaged, changes meanwhile, or has more malformed rows than may
            be skipped.
        """


def open_table(path: Path, reading: Reading) -> TableFile:
    """Open a file and find its columns.

    Parameters
    ----------
    path : Path
        The file: ``.parquet``, ``.csv`` or ``.tsv``, the latter two also with ``.gz``; any other name is text if a
        separator is given.
    reading : Reading
        How text is read.

    Returns
    -------
    TableFile
        The file.

    Raises
    ------
    CollapseError
        If the file cannot be read, is empty or damaged, its kind is unknown, or two columns have one name.
    """
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".parquet", ".pq")):
        if reading != Reading():
            raise CollapseError(f"{path} is a Parquet file: how text is read does not go with it")
        from collapse.training.data.table_parquet import ParquetTable

        return ParquetTable(path)
    separator = reading.separator or SEPARATORS.get(Path(name).suffix)
    if separator is None:
        raise CollapseError(
            f"{path} ends neither in .csv, .tsv nor .parquet: tell what separates its columns, with --separator"
        )
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise CollapseError(f"the separator is {separator!r}: it must be one character, and none that ends a line")
    return DelimitedTable(path, separator, reading)


class DelimitedTable(TableFile):
    """A file of delimited text.

    Parameters
    ----------
    path : Path
        The file.
    separator : str
        What stands between two columns.
    reading : Reading
        How it is read.

    Raises
    ------
    CollapseError
        If the first row cannot be read, or two columns have one name.
    """

    def __init__(self, path: Path, separator: str, reading: Reading) -> None:
        super().__init__(path)
        self._separator = separator
        self._quoted = reading.quotes
        self._header = reading.header and not reading.columns
        self.columns = reading.columns or self._first_row()
        check_distinct(self.columns, path)

    def rows(
        self,
        columns: Sequence[str],  # noqa: ARG002 - text is read whole
        parse: Parse,
        skipped: SkippedRows,
    ) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
        """Read the file, as `TableFile.rows` tells."""
        form = Format(
            title=f"text whose columns are separated by {self._separator!r}",
            separator=self._separator,
            columns=self.columns,
            parse=parse,
            check_header=self._check_header if self._header else None,
            quoted=self._quoted,
        )
        with opened(self.path) as raw:
            yield from read_rows(raw, form, skipped)
            self.source = raw.finished()

    def _first_row(self) -> tuple[str, ...]:
        start, end = b"", 0
        with opened(self.path, quiet=True) as raw:
            for chunk in raw.chunks(1 << 16):
                start += chunk
                end = last_end(start, quoted=self._quoted)
                if end or len(start) > LONGEST_ROW:
                    break
        if not start.strip():
            raise CollapseError(f"{self.path} is empty")
        if not end and len(start) > LONGEST_ROW:
            raise CollapseError(f"{self.path}, line 1: this row is longer than a megabyte: is this a table?")
        ends = records(start[:end], self._separator, quoted=self._quoted).ends
        first = start[: int(ends[0])] if len(ends) else start
        return self._names(first) if self._header else _numbered(len(self._cells(first)))

    def _names(self, row: bytes) -> tuple[str, ...]:
        cells = [cell.strip() for cell in self._cells(row.removeprefix(b"\xef\xbb\xbf"))]
        return tuple(cell or numbered for cell, numbered in zip(cells, _numbered(len(cells)), strict=True))

    def _cells(self, row: bytes) -> list[str]:
        try:
            text = row.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            what = f"byte {row[error.start]:#04x} is not UTF-8 text"
            raise CollapseError(f"{self.path}, line 1: {what}") from error
        if not self._quoted:
            return text.split(self._separator)
        try:
            return next(csv.reader([text], delimiter=self._separator, strict=True))
        except csv.Error as error:
            raise CollapseError(f"{self.path}, line 1: {error}; {NO_QUOTES}") from error

    def _check_header(self, row: bytes, path: Path) -> None:
        if self._names(row) != self.columns:
            raise CollapseError(f"{path} changed while it was read: wait until it is whole and try again")


def check_distinct(columns: Sequence[str], path: Path) -> None:
    """Check that no two columns of a file have one name.

    Parameters
    ----------
    columns : sequence of str
        Their names.
    path : Path
        The file, for the error message.

    Raises
    ------
    CollapseError
        If two have.
    """
    twice = next((name for name, count in Counter(columns).items() if count > 1), None)
    if twice is not None:
        raise CollapseError(f"{path} has two columns called {shortened(twice)}")


def check_same_columns(files: Sequence[TableFile]) -> None:
    """Check that several files have the same columns, in any order.

    Parameters
    ----------
    files : sequence of TableFile
        The files.

    Raises
    ------
    CollapseError
        If one has not those of the first.
    """
    first, *others = files
    for file in others:
        lacks = [name for name in first.columns if name not in file.columns]
        more = [name for name in file.columns if name not in first.columns]
        if lacks or more:
            what = f"lacks the column {shortened(lacks[0])}" if lacks else f"has a column {shortened(more[0])}"
            raise CollapseError(
                f"{file.path} {what}, unlike {first.path}: files that are one table have the same columns"
            )


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"column_{n}" for n in range(1, count + 1))
