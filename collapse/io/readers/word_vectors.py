"""Word vectors: text of word2vec and GloVe, word2vec's binary form, and RecBole's ``.itememb``.

A line of text has a token and K numbers. Word2vec's files begin with the numbers of rows and columns.
"""

import itertools
import mmap
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.io.decoded import DecodedTable, Unpacked
from collapse.io.formats.sample import Format, Sample
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State
from collapse.io.readers.text_stream import SUFFIXES, blocks_of_lines, mapped, open_text
from collapse.printable import path_text

_HEADER = re.compile(rb"\s*(\d{1,18})[ \t]+(\d{1,9})\s*")
_RECBOLE = re.compile(rb"[^\t\n]+:token\t[^\t\n]+:float_seq\r?")
_NUMBER = frozenset(b"0123456789+-.eE \t\r\nnaifNI")
"""Characters of numbers in text, with ``nan`` and ``inf``."""
_SHOWN = 200
"""Bytes after the first token that tell text from binary."""
_LEAST = 3
"""Fewest numbers in a line of a file without a header."""
_LOOKED_AT = 20
"""Lines that tell the number of columns."""


def read_text_vectors(path: Path, _verify: bool = True) -> State:
    """Read the vectors of a text file as float32, which their libraries use, into a temporary file.

    Parameters
    ----------
    path : Path
        The file, which may be compressed with gzip, bzip2 or xz.

    Raises
    ------
    CollapseError
        If a line does not have a token and as many numbers as the others.
    """
    with explain_damage(path, "a complete file of word vectors"), open_text(path) as file:
        blocks = blocks_of_lines(file)
        first = next(blocks, [])
        header = _HEADER.fullmatch(first[0]) if first else None
        skipped = 1 if header or (first and _RECBOLE.fullmatch(first[0])) else 0
        columns = int(header[2]) if header else _columns(first[skipped:])
        tokens = bool(header) or bool(skipped) or not _is_matrix(first)
        with Unpacked(path, np.float32, columns) as unpacked:
            for block in _vectors(itertools.chain([first[skipped:]], blocks), columns, skipped, tokens=tokens):
                unpacked.add(block)
            E = unpacked.array()
        if header and len(E) != int(header[1]):
            raise ValueError(f"it has {len(E):,} rows instead of {int(header[1]):,}")
    notes = () if tokens else ("its lines begin with a fraction, so they are read as numbers without a token",)
    return _state(path, E, notes)


def read_binary_vectors(path: Path, _verify: bool = True) -> State:
    """Map the vectors of a file in word2vec's binary form.

    Raises
    ------
    CollapseError
        If the file has fewer rows than its header says.
    """
    with explain_damage(path, "a complete file of word2vec vectors"):
        content = mapped(path)
        header = _HEADER.fullmatch(content[: content.find(b"\n")])
        if header is None:
            raise ValueError("it does not begin with the numbers of rows and columns")
        rows, columns = int(header[1]), int(header[2])
        if not 0 < rows * (4 * columns + 1) <= len(content):
            raise ValueError(f"it is too short for {rows:,} rows of {columns} columns")
        starts = _starts(content, content.find(b"\n") + 1, rows, 4 * columns)
    return _state(path, _at(content, starts, columns))


def _state(path: Path, E: Any, notes: tuple[str, ...] = ()) -> State:
    name = path_text(Path(Path(path.stem).stem if path.suffix in SUFFIXES else path.stem))
    return State(tensors={name: E}, tables=frozenset({name}), format="word vectors", notes=notes)


def _columns(lines: list[bytes]) -> int:
    """Return the number of columns. A token may hold spaces, so the fewest words of the first lines decide."""
    if not lines:
        raise ValueError("it holds no rows")
    looked_at = lines[:_LOOKED_AT]
    words = min(len(line.split()) for line in looked_at)
    return words if _is_matrix(lines) else words - 1


def _is_matrix(lines: list[bytes]) -> bool:
    """Return whether the first lines begin with a fraction, so that there is no token."""
    first = [line.split(None, 1)[0] for line in lines[:_LOOKED_AT]]
    return all(b"." in word and _is_number(word) for word in first)


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _vectors(
    blocks: Iterable[list[bytes]], columns: int, before: int, *, tokens: bool
) -> Iterator[NDArray[np.float64]]:
    for lines in blocks:
        if not lines:
            continue
        lines = [line.strip().replace(b"\t", b" ") for line in lines]
        rests = [line.partition(b" ")[2] for line in lines] if tokens else lines
        numbers = _parsed(b" ".join(rests))
        # A line with too few numbers has too few spaces, even if another line has as many too many.
        if len(numbers) != len(lines) * columns or any(rest.count(b" ") < columns - 1 for rest in rests):
            numbers = _line_by_line(lines, columns, before, tokens=tokens)
        yield numbers.reshape(-1, columns)
        before += len(lines)


def _parsed(text: bytes) -> NDArray[np.float64]:
    """Return the numbers of a text; none, or only the first ones, if something else is among them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return np.fromstring(text, sep=" ")
        except ValueError:
            return np.empty(0)


def _line_by_line(lines: list[bytes], columns: int, before: int, *, tokens: bool) -> NDArray[np.float64]:
    """Read lines whose tokens hold spaces, or find the one that is damaged."""
    found = np.empty((len(lines), columns))
    for number, line in enumerate(lines):
        words = line.split()
        if len(words) < columns + tokens or (not tokens and len(words) != columns):
            raise ValueError(f"line {before + number + 1} does not have {columns} numbers")
        try:
            found[number] = [float(word) for word in words[len(words) - columns :]]
        except ValueError:
            raise ValueError(f"line {before + number + 1} does not end with {columns} numbers") from None
    return found


def _starts(content: mmap.mmap, at: int, rows: int, size: int) -> NDArray[np.int64]:
    """Return the first byte of every vector, which follows the space after its token."""
    found = np.empty(rows, np.int64)
    for row in range(rows):
        at = content.find(b" ", at) + 1
        if at == 0 or at + size > len(content):
            raise ValueError(f"it ends in row {row:,} of {rows:,}")
        found[row] = at
        at += size
    return found


def _at(content: mmap.mmap, starts: NDArray[np.int64], columns: int) -> DecodedTable:
    whole = np.frombuffer(content, np.uint8)
    within = np.arange(4 * columns)

    def decode(first: int, last: int) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = whole[starts[first:last, None] + within].view("<f4")
        return rows

    return DecodedTable((len(starts), columns), "f4", decode, whole)


def _has_header(sample: Sample) -> bool:
    return _HEADER.fullmatch(sample.head.partition(b"\n")[0]) is not None


def _is_binary(sample: Sample) -> bool:
    token, mark, numbers = sample.head.partition(b"\n")[2].lstrip(b"\n").partition(b" ")
    return (
        _has_header(sample)
        and bool(token and mark)
        and not _NUMBER.issuperset(numbers[:_SHOWN].partition(b"\n")[0])
    )


def _is_text(sample: Sample) -> bool:
    if _RECBOLE.fullmatch(sample.head.partition(b"\n")[0]) is not None:
        return True
    lines = sample.lines
    if _has_header(sample) and not _is_binary(sample):
        return True
    rows = [line.split() for line in lines[:2]]
    alike = len(rows) == 2 and len(rows[0]) == len(rows[1]) > _LEAST
    return alike and all(all(map(_is_number, words[1:])) for words in rows)


FORMATS = (
    Format(
        name="word2vec vectors in binary form (.bin)",
        matches=_is_binary,
        read=read_binary_vectors,
        compressed=True,
        about="float32, also compressed",
    ),
    Format(
        name="word vectors in text (word2vec, GloVe, RecBole's .itememb)",
        matches=_is_text,
        read=read_text_vectors,
        compressed=True,
        about="a token and numbers in each line, also compressed; read as float32",
    ),
)
"""Files of word vectors."""
