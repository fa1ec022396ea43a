"""A file of delimited text with its separator and column names."""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from collapse.errors import CollapseError, shortened
from collapse.training.data.text.delimited import LONGEST_ROW, NO_QUOTES, Format, text_blocks
from collapse.training.data.text.file import TextBlock, TextFile, check_distinct
from collapse.training.data.text.raw_file import OTHER_ENCODING, RawFile, opened
from collapse.training.data.text.row_bounds import last_end, row_bounds

_OTHERS = ";\t|,"
"""Separators that are looked for in the name of a file's only column."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How delimited text is read. Parquet files ignore it."""

    separator: str | None = None
    """Separator. The default depends on the file's name, ``.csv`` or ``.tsv``."""
    columns: tuple[str, ...] = ()
    """Names of the columns, for a file without a header."""
    header: bool = True
    """Whether the first row is a header. Without header and names, columns are column_1, column_2, .."""
    encoding: str | None = None
    """Encoding of the text, such as ``latin-1`` or ``utf-16``. The default is UTF-8."""
    quotes: bool = True
    """Whether cells may be quoted. Otherwise quotation marks are ordinary characters."""


class DelimitedFile(TextFile):
    """A file of delimited text.

    Parameters
    ----------
    path : Path
        The file.
    separator : str
        Separator of the columns.
    reading : Reading
        How the file is read.

    Raises
    ------
    CollapseError
        If the first row cannot be read, or two columns have the same name.
    """

    def __init__(self, path: Path, separator: str, reading: Reading) -> None:
        super().__init__(path, encoding=reading.encoding)
        self._separator = separator
        self._quoted = reading.quotes
        self._header = reading.header and not reading.columns
        self.columns = reading.columns or self._first_row()
        if self._header and reading.separator is None:
            self._check_separator()
        check_distinct(self.columns, path)

    def _blocks(
        self,
        raw: RawFile,
        columns: Sequence[str],  # noqa: ARG002 - text is read whole
    ) -> Iterator[TextBlock]:
        form = Format(
            title=f"text with columns separated by {self._separator!r}",
            separator=self._separator,
            columns=self.columns,
            header=self._header,
            quoted=self._quoted,
            not_text=OTHER_ENCODING,
        )
        for block in text_blocks(raw, form):
            if block.header is not None and self._names(block.header) != self.columns:
                raise CollapseError(f"{self.path} changed while it was read: try again when it is complete")
            yield block
        self.source = raw.finished()

    def _first_row(self) -> tuple[str, ...]:
        start, end = b"", 0
        with opened(self.path, quiet=True, encoding=self.encoding) as raw:
            for chunk in raw.chunks(1 << 16):
                start += chunk
                end = last_end(start, quoted=self._quoted)
                if end or len(start) > LONGEST_ROW:
                    break
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise CollapseError(f"{self.path} is UTF-16 text: pass --encoding utf-16")
        if not start.strip():
            raise CollapseError(f"{self.path} is empty")
        if not end and len(start) > LONGEST_ROW:
            raise CollapseError(f"{self.path}, line 1: this row is longer than a megabyte. Is this a table?")
        ends = row_bounds(start[:end], self._separator, quoted=self._quoted).ends
        first = start[: int(ends[0])] if len(ends) else start
        return self._names(first) if self._header else _numbered(len(self._cells(first)))

    def _check_separator(self) -> None:
        """Refuse a file whose only column has the names of several, separated by something else."""
        if len(self.columns) > 1:
            return
        (only,) = self.columns
        if sep := re.fullmatch(r"sep=(.)", only, re.IGNORECASE):
            raise CollapseError(
                f"{self.path}, line 1: {only!r} is for Excel: remove the line, and pass --separator '{sep[1]}'"
            )
        other = next((sign for sign in _OTHERS if sign in only), None)
        if other is not None:
            name = "tab" if other == "\t" else f"'{other}'"
            raise CollapseError(
                f"{self.path} has a single column, {shortened(only)}: if its columns are separated by {name}, "
                f"pass --separator {name}"
            )

    def _names(self, row: bytes) -> tuple[str, ...]:
        cells = [cell.strip() for cell in self._cells(row.removeprefix(b"\xef\xbb\xbf"))]
        return tuple(cell or numbered for cell, numbered in zip(cells, _numbered(len(cells)), strict=True))

    def _cells(self, row: bytes) -> list[str]:
        try:
            text = row.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            what = f"byte {row[error.start]:#04x} is not UTF-8 text; {OTHER_ENCODING}"
            raise CollapseError(f"{self.path}, line 1: {what}") from error
        if not self._quoted:
            return text.split(self._separator)
        try:
            return next(csv.reader([text], delimiter=self._separator, strict=True))
        except csv.Error as error:
            raise CollapseError(f"{self.path}, line 1: {error}; {NO_QUOTES}") from error


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"column_{n}" for n in range(1, count + 1))
