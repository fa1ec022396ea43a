"""Criteo's display advertising challenge: from ``train.txt`` to a prepared data set (Section 5.2, Appendix C.2).

The raw file holds one impression a line and no header: the label, 13 integers (I1 .. I13) and 26 hashed categories
(C1 .. C26), separated by tabs; any cell but the label may be empty.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tqdm import tqdm

from collapse.errors import CollapseError
from collapse.files import explained
from collapse.training.data.encode import Encoder
from collapse.training.data.prepared import PreparedData, Source, new_prepared, open_prepared

MIN_COUNT = 10
LABEL = "the advertisement was clicked"
INTEGERS = tuple(f"I{i}" for i in range(1, 14))
CATEGORIES = tuple(f"C{i}" for i in range(1, 27))
COLUMNS = ("label", *INTEGERS, *CATEGORIES)
FIELDS = dict.fromkeys(INTEGERS, "integer feature, in buckets") | dict.fromkeys(
    CATEGORIES, "categorical feature, hashed"
)

BLOCK_BYTES = 1 << 24
LONGEST_LINE = 1 << 20
TAB_OR_NEWLINE = b"\t\n"
ALL_OTHERS = bytes(byte for byte in range(256) if byte not in TAB_OR_NEWLINE)


def prepare_criteo(
    source: Path, out: Path, *, min_count: int = MIN_COUNT, overwrite: bool = False
) -> PreparedData:
    """Prepare Criteo's ``train.txt``, plain or gzipped.

    Parameters
    ----------
    source : Path
        The raw file; read as gzip if its name ends in ``.gz``.
    out : Path
        The folder to write.
    min_count : int
        Values of a field seen in fewer rows share its out-of-vocabulary row; at least 1, in the paper's code 10.
    overwrite : bool
        Whether a prepared data set that is there is replaced.

    Returns
    -------
    PreparedData
        The data set, opened.

    Raises
    ------
    CollapseError
        If the file cannot be read, is empty, changes meanwhile, or has a line that is not as described above;
        or if `out` cannot be written.

    Notes
    -----
    An integer v is put into a bucket as the paper's code does: floor(ln(v)^2) if v > 2, else v - 2; the former is
    at least 1 and the latter at most 0. An empty cell is a value of its own, in integers as in categories.
    """
    with _opened(source) as raw, new_prepared(out, overwrite=overwrite) as folder:
        encoder = Encoder(folder, FIELDS, min_count=min_count)
        for block in _blocks(raw, source):
            encoder.add(*_parsed(block, encoder.rows + 1, source))
        if not encoder.rows:
            raise CollapseError(f"{source} is empty")
        encoder.finish(name="criteo", label=LABEL, sources=[raw.finished()])
    return open_prepared(out)


def bucketed(integers: pl.Expr) -> pl.Expr:
    """Put integers into the buckets of the paper's code.

    Parameters
    ----------
    integers : pl.Expr
        Integers of 64 bits; null for an empty cell.

    Returns
    -------
    pl.Expr
        floor(ln(v)^2) for v > 2, else v - 2, as text; null stays.

    Notes
    -----
    The logarithm is taken in float64. ln(v)^2 is an integer for no v > 2, and up to 10^9 no v is near enough to
    one for rounding to move it into another bucket.
    """
    logarithmic = (integers.cast(pl.Float64).log() ** 2).floor().cast(pl.Int64, strict=False)
    return pl.when(integers > 2).then(logarithmic).otherwise(integers - 2).cast(pl.String)


class _RawFile:
    """The file as it is on disk, hashed and counted while it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        self._stat = os.fstat(self._file.fileno())
        self._digest = hashlib.sha256()
        size = self._stat.st_size
        self._bar = tqdm(total=size, desc=path.name, unit="B", unit_scale=True, disable=None)

    def read(self, size: int) -> bytes:
        data = self._file.read(size) or b""
        self._digest.update(data)
        self._bar.update(len(data))
        return data

    def finished(self) -> Source:
        """Close the file and return what was read, if that is still what is on disk."""
        self.close()
        with explained("read", self._path):
            now = self._path.stat()
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise CollapseError(f"{self._path} changed while it was read: wait until it is whole and try again")
        return Source(name=self._path.name, size=self._stat.st_size, sha256=self._digest.hexdigest())

    def close(self) -> None:
        self._bar.close()
        self._file.close()


@contextmanager
def _opened(path: Path) -> Iterator[_RawFile]:
    with explained("read", path):
        raw = _RawFile(path)
    with closing(raw):
        yield raw


def _blocks(raw: _RawFile, path: Path) -> Iterator[bytes]:
    """Yield whole lines, some 16 MiB at a time."""
    rest = b""
    for chunk in _chunks(raw, path):
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield rest + chunk[:cut]
            rest = b""
        rest += chunk[cut:]
        if len(rest) > LONGEST_LINE:
            raise CollapseError(f"{path} has a line of more than a megabyte: is this Criteo's train.txt?")
    if rest:
        yield rest + b"\n"


def _chunks(raw: Any, path: Path) -> Iterator[bytes]:
    stream = gzip.GzipFile(fileobj=raw, mode="rb") if path.suffix == ".gz" else raw
    try:
        with explained("read", path):
            while chunk := stream.read(BLOCK_BYTES):
                yield chunk
    except (EOFError, zlib.error) as error:
        raise CollapseError(f"{path} is not a whole gzip file: {error}") from error


def _parsed(block: bytes, line: int, path: Path) -> tuple[pl.DataFrame, pl.Series]:
    """Return the fields as text and the labels of lines that start at number `line`."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    _check_encoding(block, line, path)
    _check_columns(block, line, path)
    frame = pl.read_csv(
        block, separator="\t", has_header=False, quote_char=None, schema=dict.fromkeys(COLUMNS, pl.String)
    )
    _check_labels(frame["label"], line, path)
    integers = frame.select(pl.col(INTEGERS).cast(pl.Int64, strict=False))
    _check_integers(frame, integers, line, path)
    return frame.with_columns(integers.select(bucketed(pl.col(INTEGERS)))), frame["label"] == "1"


def _check_encoding(block: bytes, line: int, path: Path) -> None:
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        line += block.count(b"\n", 0, error.start)
        raise _malformed(path, line, f"byte {block[error.start]:#04x} is not UTF-8 text") from error


def _check_columns(block: bytes, line: int, path: Path) -> None:
    separators = np.frombuffer(block.translate(None, ALL_OTHERS), dtype=np.uint8)
    columns = np.diff(np.flatnonzero(separators == ord("\n")), prepend=-1)
    wrong = np.flatnonzero(columns != len(COLUMNS))
    if wrong.size:
        found = int(columns[wrong[0]])
        hint = " (the first is the label: is this Criteo's test.txt?)" if found == len(COLUMNS) - 1 else ""
        what = f"{found} column{'s' * (found != 1)} where {len(COLUMNS)} are expected{hint}"
        raise _malformed(path, line + wrong[0], what)


def _check_labels(labels: pl.Series, line: int, path: Path) -> None:
    wrong = (~labels.fill_null("").is_in(["0", "1"])).arg_true()
    if len(wrong):
        row = wrong[0]
        raise _malformed(path, line + row, f"column label holds {labels[row] or ''!r}, which is neither 0 nor 1")


def _check_integers(texts: pl.DataFrame, integers: pl.DataFrame, line: int, path: Path) -> None:
    wrong = pl.DataFrame(integers[name].is_null() & texts[name].is_not_null() for name in INTEGERS)
    rows = wrong.select(pl.any_horizontal(pl.all())).to_series().arg_true()
    if len(rows):
        row = rows[0]
        name = INTEGERS[wrong.row(row).index(True)]
        raise _malformed(path, line + row, f"column {name} holds {texts[name][row]!r}, which is not an integer")


def _malformed(path: Path, line: int, what: str) -> CollapseError:
    return CollapseError(f"{path}, line {line}: {what}")
