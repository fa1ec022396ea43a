"""Delimited text with known columns, read in blocks of whole rows, with the line of every fault."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from collapse.errors import CollapseError
from collapse.printable import counted
from collapse.training.data.text.file import TextBlock
from collapse.training.data.text.raw_file import RawFile
from collapse.training.data.text.row_bounds import (
    QUOTE,
    QUOTE_IN_CELL,
    RowBounds,
    last_end,
    not_text,
    row_bounds,
    without,
)

BLOCK_BYTES = 1 << 25
"""Bytes that are parsed together: enough for Polars' threads, and small compared with the memory."""
LONGEST_ROW = 1 << 20
"""Longest row in bytes. Without a limit, an open quotation mark would swallow the rest of the file."""
NO_QUOTES = "`--no-quotes` reads quotation marks as ordinary characters"


@dataclass(frozen=True, kw_only=True)
class Format:
    """Expected format of a file."""

    title: str
    """Title of the file, as used in questions: ``Criteo's train.txt``."""
    separator: str
    """Separator, one character."""
    columns: tuple[str, ...]
    """Names of the columns, in order."""
    header: bool = False
    """Whether the first row is a header."""
    quoted: bool = False
    """Whether cells may be quoted; if so, empty lines are not rows."""
    one_short: str = ""
    """Hint for a row that lacks one column."""
    not_text: str = ""
    """Hint for a row that is not UTF-8."""


def text_blocks(raw: RawFile, form: Format) -> Iterator[TextBlock]:
    """Read a file block by block.

    Yields
    ------
    TextBlock
        The rows that fit the format, and the faults of the others.

    Raises
    ------
    CollapseError
        If the file cannot be read, is empty, or has another format.
    """
    line = 1
    for number, block in enumerate(_blocks(raw, form)):
        found = row_bounds(block, form.separator, quoted=form.quoted)
        _check_quotes(found, line, raw.path)
        lines = line + found.lines
        line += block.count(b"\n")
        hint = f"; {form.not_text}" if form.not_text else ""
        faults = _uneven(found, form) | {row: f"{what}{hint}" for row, what in not_text(found).items()}
        left_out = [*faults]
        if form.quoted:
            empty = np.flatnonzero(found.ends - found.starts == 1).tolist()
            faults = {row: what for row, what in faults.items() if row not in set(empty)}
            left_out += empty
        header = None
        if form.header and number == 0:
            header = block[: int(found.ends[0])]
            faults.pop(0, None)
            left_out.append(0)
        by_line = {int(lines[row]): what for row, what in faults.items()}
        if left_out:
            block, lines = without(found, left_out), np.delete(lines, left_out)
        cells = _frame(block, form) if len(lines) else pl.DataFrame(schema=dict.fromkeys(form.columns, pl.String))
        yield TextBlock(path=raw.path, cells=cells, places=lines, faults=by_line, unit="line", header=header)
    if line <= 1 + form.header:
        raise CollapseError(f"{raw.path} is empty")


def _frame(block: bytes, form: Format) -> pl.DataFrame:
    return pl.read_csv(
        block,
        separator=form.separator,
        has_header=False,
        quote_char='"' if form.quoted else None,
        schema=dict.fromkeys(form.columns, pl.String),
    )


def _blocks(raw: RawFile, form: Format) -> Iterator[bytes]:
    """Yield blocks of about 32 MiB of whole rows."""
    rest, line = b"", 1
    for chunk in raw.chunks(BLOCK_BYTES):
        rest += chunk
        cut = last_end(rest, quoted=form.quoted)
        if cut:
            block, rest = rest[:cut], rest[cut:]
            line += block.count(b"\n")
            yield _with_line_feeds(block)
        if len(rest) > LONGEST_ROW:
            if form.quoted and QUOTE in rest:
                raise CollapseError(
                    f"{raw.path}, line {line}: a quoted cell is longer than a megabyte; {NO_QUOTES}"
                )
            raise CollapseError(f"{raw.path} has a line of more than a megabyte. Is this {form.title}?")
    if rest:
        if form.quoted and rest.count(QUOTE) % 2:
            _check_quotes(row_bounds(rest + b"\n", form.separator, quoted=True), line, raw.path)
            raise CollapseError(f"{raw.path}, line {line}: a quoted cell is never closed; {NO_QUOTES}")
        yield _with_line_feeds(rest + b"\n")


def _check_quotes(found: RowBounds, line: int, path: Path) -> None:
    if found.stray is not None:
        raise CollapseError(f"{path}, line {line + found.stray}: {QUOTE_IN_CELL}; {NO_QUOTES}")


def _with_line_feeds(block: bytes) -> bytes:
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


def _uneven(found: RowBounds, form: Format) -> dict[int, str]:
    expected = len(form.columns)
    faults: dict[int, str] = {}
    for row in np.flatnonzero(found.columns != expected).tolist():
        columns = int(found.columns[row])
        hint = form.one_short if columns == expected - 1 else ""
        if columns == 1 and not faults and form.separator == "\t":
            line = found.block[int(found.starts[row]) : int(found.ends[row])]
            hint = " (commas separate its cells, but tabs are expected)" if b"," in line else ""
        faults[row] = f"{counted(columns, 'column')} instead of {expected}{hint}"
    return faults
