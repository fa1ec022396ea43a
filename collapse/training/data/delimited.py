"""Delimited text of fixed columns, read in blocks of whole lines, with the line of every fault.

Nothing is quoted in these files: a quotation mark is a character like any other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.training.data.raw_file import RawFile

BLOCK_BYTES = 1 << 25
LONGEST_LINE = 1 << 20
TOLD = 20

Faults = Mapping[int, str]
"""What is wrong with a row, by its number in a block."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """What a publisher's file looks like."""

    title: str
    """Whose file it is, as it reads in a question: ``Criteo's train.txt``."""
    separator: str
    """What stands between two columns, one character."""
    columns: tuple[str, ...]
    """The columns in order."""
    label: str
    """The column that holds 0 or 1."""
    header: bool
    """Whether the first line names the columns."""
    without_label: str
    """The file of the same publisher that has no labels."""
    fields: Callable[[pl.DataFrame], tuple[pl.DataFrame, Faults]]
    """From the columns as text to the fields as text, and what was wrong with some rows."""


class SkippedRows:
    """Malformed rows: refused, or skipped up to a number.

    Parameters
    ----------
    path : Path
        The file that they are in.
    allowed : int
        How many may be skipped.
    """

    def __init__(self, path: Path, allowed: int) -> None:
        self.path = path
        self.allowed = allowed
        self._count = 0
        self._told: list[dict[str, object]] = []

    def skip(self, faults: Mapping[int, str]) -> None:
        """Take note of a block's malformed rows.

        Parameters
        ----------
        faults : mapping of int to str
            What is wrong, by line.

        Raises
        ------
        CollapseError
            If they are more than may be skipped; the message names the line of the first that may not.
        """
        for line in sorted(faults):
            self._count += 1
            if self._count > self.allowed:
                before = f" ({self.allowed:,} malformed rows before it were skipped)" if self.allowed else ""
                raise CollapseError(f"{self.path}, line {line}: {faults[line]}{before}")
            if len(self._told) < TOLD:
                self._told.append({"line": line, "reason": faults[line]})

    def summary(self) -> dict[str, object]:
        """Return how many rows were skipped, and the first of them with their lines and reasons."""
        return {"rows": self._count, "first": self._told}


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
        A text column a field.
    labels : pl.Series
        Whether the label is 1.

    Raises
    ------
    CollapseError
        If the file cannot be read, is empty, is no file of this format, or has more malformed rows than may be
        skipped.
    """
    line, rows = 1, 0
    for number, whole in enumerate(_blocks(raw, form)):
        block = whole.replace(b"\r\n", b"\n") if b"\r" in whole else whole
        if form.header and number == 0:
            header, _, block = block.partition(b"\n")
            _check_header(header, form, raw.path)
            line += 1
        columns = _columns(block, form)
        lines = np.arange(line, line + len(columns))
        line += len(lines)
        faults: Faults = _uneven(columns, form) | _not_text(block)
        told = {int(lines[row]): what for row, what in faults.items()}
        if faults:
            of_lines = block.split(b"\n")
            good = np.setdiff1d(np.arange(len(lines)), list(faults))
            block, lines = b"".join(of_lines[row] + b"\n" for row in good), lines[good]
        fields, labels, faults = _parsed(block, form) if len(lines) else (None, None, {})
        skipped.skip(told | {int(lines[row]): what for row, what in faults.items()})
        if fields is None or labels is None or len(faults) == len(lines):
            continue
        if faults:
            kept = ~pl.Series(np.isin(np.arange(len(lines)), list(faults)))
            fields, labels = fields.filter(kept), labels.filter(kept)
        rows += len(labels)
        yield fields, labels == "1"
    if not rows:
        raise CollapseError(f"{raw.path} is empty" if line <= 1 + form.header else f"{raw.path} has no good row")


def _parsed(block: bytes, form: Format) -> tuple[pl.DataFrame, pl.Series, Faults]:
    """Return the fields and the labels as text, and what is wrong with which row."""
    frame = pl.read_csv(
        block,
        separator=form.separator,
        has_header=False,
        quote_char=None,
        schema=dict.fromkeys(form.columns, pl.String),
    )
    fields, faults = form.fields(frame)
    return fields, frame[form.label], {**faults, **_wrong_labels(frame[form.label])}


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
    return {row: f"column {name} holds {texts[name][row]!r}, which is not {what}" for row, name in names.items()}


def _blocks(raw: RawFile, form: Format) -> Iterator[bytes]:
    """Yield whole lines, some 32 MiB at a time."""
    rest = b""
    for chunk in raw.chunks(BLOCK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield rest + chunk[:cut]
            rest = b""
        rest += chunk[cut:]
        if len(rest) > LONGEST_LINE:
            raise CollapseError(f"{raw.path} has a line of more than a megabyte: is this {form.title}?")
    if rest:
        yield rest + b"\n"


def _check_header(header: bytes, form: Format, path: Path) -> None:
    names = header.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").split(form.separator)
    if tuple(names) == form.columns:
        return
    if tuple(names) == tuple(name for name in form.columns if name != form.label):
        raise CollapseError(f"{path}, line 1: there is no column {form.label}: is this {form.without_label}?")
    pairs = enumerate(zip(names, form.columns, strict=False), start=1)
    differs = next((f"column {n} is {a!r} and not {b!r}" for n, (a, b) in pairs if a != b), None)
    what = differs or f"it names {len(names)} columns and not {len(form.columns)}"
    raise CollapseError(f"{path}, line 1: this is not the header of {form.title}: {what}")


def _not_text(block: bytes) -> dict[int, str]:
    if block.isascii():
        return {}
    try:
        block.decode()
    except UnicodeDecodeError:
        return dict(_undecodable(block))
    return {}


def _undecodable(block: bytes) -> Iterator[tuple[int, str]]:
    for row, line in enumerate(block.split(b"\n")):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            yield row, f"byte {line[error.start]:#04x} is not UTF-8 text"


def _columns(block: bytes, form: Format) -> NDArray[np.int64]:
    """Count the columns of every line."""
    separator = form.separator.encode()
    others = bytes(byte for byte in range(256) if byte not in separator + b"\n")
    marks = np.frombuffer(block.translate(None, others), dtype=np.uint8)
    return np.diff(np.flatnonzero(marks == ord("\n")), prepend=-1)


def _uneven(columns: NDArray[np.int64], form: Format) -> dict[int, str]:
    expected = len(form.columns)
    faults = {}
    for row in np.flatnonzero(columns != expected).tolist():
        found = int(columns[row])
        hint = ""
        if found == expected - 1 and not form.header:
            hint = f" (the first is the label: is this {form.without_label}?)"
        faults[row] = f"{found} column{'s' * (found != 1)} where {expected} are expected{hint}"
    return faults


def _wrong_labels(labels: pl.Series) -> dict[int, str]:
    wrong = (~labels.fill_null("").is_in(["0", "1"])).arg_true().to_list()
    return {row: f"column {labels.name} holds {labels[row] or ''!r}, which is neither 0 nor 1" for row in wrong}
