"""Delimited text of known columns, read in blocks of whole rows, with the line of every fault."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from collapse.errors import CollapseError, shortened
from collapse.training.data.raw_file import RawFile
from collapse.training.data.records import QUOTE, QUOTE_IN_CELL, Records, last_end, not_text, records, without
from collapse.training.data.skipped import Faults, SkippedRows

BLOCK_BYTES = 1 << 25
LONGEST_ROW = 1 << 20
NO_QUOTES = "`--no-quotes` takes quotation marks as they are"

Parsed = tuple[pl.DataFrame, pl.Series, Faults]
"""A block's fields, its labels (bool; null for a row that is left out because it has none), and what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """What a file looks like."""

    title: str
    """Whose file it is, as it reads in a question: ``Criteo's train.txt``."""
    separator: str
    """What stands between two columns, one character."""
    columns: tuple[str, ...]
    """The columns in order."""
    parse: Callable[[pl.DataFrame], Parsed]
    """From the columns as text to the fields, the labels, and what is wrong with some rows."""
    check_header: Callable[[bytes, Path], None] | None = None
    """What looks at the first row, if that names the columns."""
    quoted: bool = False
    """Whether cells may be quoted; empty lines are then no rows."""
    one_short: str = ""
    """What a row that lacks one column hints at."""


def read_rows(raw: RawFile, form: Format, skipped: SkippedRows) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Read a file block by block.

    Parameters
    ----------
    raw : RawFile
        The opened file.
    form : Format
        What it is expected to be.
    skipped : SkippedRows
        What is done with malformed rows.

    Yields
    ------
    fields : pl.DataFrame
        The fields, as the format makes them.
    labels : pl.Series
        Whether the label is 1.

    Raises
    ------
    CollapseError
        If the file cannot be read, is empty, is no file of this format, or has more malformed rows than may be
        skipped.
    """
    line, rows = 1, 0
    for number, block in enumerate(_blocks(raw, form)):
        found = records(block, form.separator, quoted=form.quoted)
        _check_quotes(found, line, raw.path)
        lines = line + found.lines
        line += block.count(b"\n")
        faults = _uneven(found, form) | not_text(found)
        left_out = [*faults]
        if form.quoted:
            empty = np.flatnonzero(found.ends - found.starts == 1).tolist()
            faults = {row: what for row, what in faults.items() if row not in set(empty)}
            left_out += empty
        if form.check_header and number == 0:
            form.check_header(block[: int(found.ends[0])], raw.path)
            faults.pop(0, None)
            left_out.append(0)
        told = {int(lines[row]): what for row, what in faults.items()}
        if left_out:
            block, lines = without(found, left_out), np.delete(lines, left_out)
        parsed = form.parse(_frame(block, form)) if len(lines) else None
        skipped.skip(
            raw.path, told | ({int(lines[row]): what for row, what in parsed[2].items()} if parsed else {})
        )
        fields, labels = kept_rows(parsed, skipped) if parsed else (None, None)
        if fields is not None and labels is not None and len(labels):
            rows += len(labels)
            yield fields, labels
    if not rows:
        raise CollapseError(
            f"{raw.path} is empty"
            if line <= 1 + (form.check_header is not None)
            else f"{raw.path} has no good row"
        )


def kept_rows(parsed: Parsed, skipped: SkippedRows) -> tuple[pl.DataFrame, pl.Series]:
    """Leave out the rows with a fault or without a label.

    Parameters
    ----------
    parsed : (fields, labels, faults)
        A block.
    skipped : SkippedRows
        Takes note of how many have no label.

    Returns
    -------
    fields : pl.DataFrame
        The other rows' fields.
    labels : pl.Series
        Their labels.
    """
    fields, labels, faults = parsed
    if faults:
        good = ~pl.Series(np.isin(np.arange(len(labels)), list(faults)))
        fields, labels = fields.filter(good), labels.filter(good)
    if without_label := labels.null_count():
        skipped.unlabelled += without_label
        fields, labels = fields.filter(labels.is_not_null()), labels.drop_nulls()
    return fields, labels


def first_faults(columns: Sequence[str], texts: pl.DataFrame, wrong: pl.DataFrame, what: str) -> dict[int, str]:
    """Say for every row which of its cells is the first that is wrong.

    Parameters
    ----------
    columns : sequence of str
        The columns that were looked at.
    texts : pl.DataFrame
        The cells as they are.
    wrong : pl.DataFrame
        Whether each is wrong, a column each of `columns`.
    what : str
        What it is not: ``an integer``.

    Returns
    -------
    dict of int to str
        By row.
    """
    rows = wrong.select(pl.any_horizontal(pl.all())).to_series().arg_true().to_list()
    names = {row: columns[wrong.row(row).index(True)] for row in rows}
    return {
        row: f"column {name} holds {shortened(texts[name][row] or '')}, which is not {what}"
        for row, name in names.items()
    }


def zero_or_one(texts: pl.Series) -> tuple[pl.Series, Faults]:
    """Read a label that is written 0 or 1.

    Parameters
    ----------
    texts : pl.Series
        The column.

    Returns
    -------
    labels : pl.Series
        Whether each is 1.
    faults : mapping of int to str
        What is wrong with the others, by row.
    """
    wrong = (~texts.fill_null("").is_in(["0", "1"])).arg_true().to_list()
    faults = {
        row: f"column {texts.name} holds {shortened(texts[row] or '')}, which is neither 0 nor 1" for row in wrong
    }
    return texts.fill_null("") == "1", faults


def _frame(block: bytes, form: Format) -> pl.DataFrame:
    return pl.read_csv(
        block,
        separator=form.separator,
        has_header=False,
        quote_char='"' if form.quoted else None,
        schema=dict.fromkeys(form.columns, pl.String),
    )


def _blocks(raw: RawFile, form: Format) -> Iterator[bytes]:
    """Yield whole rows, some 32 MiB at a time."""
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
            raise CollapseError(f"{raw.path} has a line of more than a megabyte: is this {form.title}?")
    if rest:
        if form.quoted and rest.count(QUOTE) % 2:
            _check_quotes(records(rest + b"\n", form.separator, quoted=True), line, raw.path)
            raise CollapseError(f"{raw.path}, line {line}: a quoted cell of this row never ends; {NO_QUOTES}")
        yield _with_line_feeds(rest + b"\n")


def _check_quotes(found: Records, line: int, path: Path) -> None:
    if found.stray is not None:
        raise CollapseError(f"{path}, line {line + found.stray}: {QUOTE_IN_CELL}; {NO_QUOTES}")


def _with_line_feeds(block: bytes) -> bytes:
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


def _uneven(found: Records, form: Format) -> dict[int, str]:
    expected = len(form.columns)
    faults: dict[int, str] = {}
    for row in np.flatnonzero(found.columns != expected).tolist():
        columns = int(found.columns[row])
        hint = form.one_short if columns == expected - 1 else ""
        if columns == 1 and not faults and form.separator == "\t":
            line = found.block[int(found.starts[row]) : int(found.ends[row])]
            hint = " (commas separate its cells, and tabs are expected)" if b"," in line else ""
        faults[row] = f"{columns} column{'s' * (columns != 1)} where {expected} are expected{hint}"
    return faults
