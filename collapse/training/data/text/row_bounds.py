"""Bounds of the rows in a block of delimited text, and faults that show before any cell is read.

In the files of Criteo and Avazu nothing is quoted, and quotation marks are ordinary characters. Elsewhere cells
are quoted as in RFC 4180: a cell that begins with a quotation mark ends with one, may contain separators and line
breaks, and doubles its own quotation marks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

QUOTE = b'"'
QUOTE_IN_CELL = "a quotation mark is inside a cell that is not quoted, or text follows a quoted cell"


@dataclass(frozen=True, eq=False)
class RowBounds:
    """The R rows of a block."""

    columns: NDArray[np.int64]
    """Number of columns of each row, shape (R,)."""
    lines: NDArray[np.int64]
    """Line on which each row begins, from 0, shape (R,)."""
    block: bytes
    """The block."""
    quoted_ends: NDArray[np.int64] | None = None
    """Offset after each row's line break, shape (R,), if some line feeds do not end a row."""
    stray: int | None = None
    """Line of the first quotation mark that neither encloses a cell nor is doubled inside one."""

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """Offset after each row's line break, shape (R,)."""
        if self.quoted_ends is not None:
            return self.quoted_ends
        return np.flatnonzero(np.frombuffer(self.block, dtype=np.uint8) == ord("\n")) + 1

    @property
    def starts(self) -> NDArray[np.int64]:
        """Offset of each row's first byte, shape (R,)."""
        return np.concatenate([np.zeros(1, dtype=np.int64), self.ends[:-1]])


def row_bounds(block: bytes, separator: str, *, quoted: bool) -> RowBounds:
    """Find the rows of a block of whole lines.

    Parameters
    ----------
    block : bytes
        Rows that each end in a line feed.
    separator : str
        Separator, one ASCII character.
    quoted : bool
        Whether cells may be quoted.
    """
    if not quoted or QUOTE not in block:
        others = bytes(byte for byte in range(256) if byte not in separator.encode() + b"\n")
        marks = np.frombuffer(block.translate(None, others), dtype=np.uint8)
        columns = np.diff(np.flatnonzero(marks == ord("\n")), prepend=-1)
        return RowBounds(columns, np.arange(len(columns)), block)
    content = np.frombuffer(block, dtype=np.uint8)
    places = np.flatnonzero((content == ord(separator)) | (content == ord("\n")) | (content == ord(QUOTE)))
    kinds = content[places]
    is_quote, is_end = kinds == ord(QUOTE), kinds == ord("\n")
    outside = (np.cumsum(is_quote) % 2 == 0) & ~is_quote
    line_of = np.cumsum(is_end) - is_end
    ends_row = outside & is_end
    columns = np.diff(np.flatnonzero(is_end[outside]), prepend=-1)
    lines = np.concatenate([np.zeros(1, dtype=np.int64), line_of[ends_row][:-1] + 1])
    stray = _stray(content, places[is_quote], ord(separator))
    stray_line = None if stray is None else int(line_of[is_quote][stray])
    return RowBounds(columns, lines, block, places[ends_row] + 1, stray_line)


def last_end(block: bytes, *, quoted: bool) -> int:
    """Return the offset after the last complete row of a block; 0 if there is none.

    Parameters
    ----------
    block : bytes
        Text that begins with a row.
    quoted : bool
        Whether cells may be quoted.
    """
    last = block.rfind(b"\n") + 1
    if not quoted or block.count(QUOTE, 0, last) % 2 == 0:
        return last
    content = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(content == ord("\n"))
    closed = np.searchsorted(np.flatnonzero(content == ord(QUOTE)), ends) % 2 == 0
    return int(ends[closed][-1]) + 1 if closed.any() else 0


def not_text(rows: RowBounds) -> dict[int, str]:
    """Return the rows that are not UTF-8, with the reason."""
    if rows.block.isascii():
        return {}
    try:
        rows.block.decode()
    except UnicodeDecodeError:
        return dict(_undecodable(rows))
    return {}


def without(rows: RowBounds, left_out: Sequence[int]) -> bytes:
    """Return a block without some of its rows.

    Returns
    -------
    bytes
        The other rows, in order.
    """
    kept = np.ones(len(rows.ends), dtype=bool)
    kept[list(left_out)] = False
    content = np.frombuffer(rows.block, dtype=np.uint8)
    return bytes(content[np.repeat(kept, rows.ends - rows.starts)])


def _undecodable(rows: RowBounds) -> Iterator[tuple[int, str]]:
    for row, (start, end) in enumerate(zip(rows.starts.tolist(), rows.ends.tolist(), strict=True)):
        try:
            rows.block[start:end].decode()
        except UnicodeDecodeError as error:
            yield row, f"byte {rows.block[start + error.start]:#04x} is not UTF-8 text"


def _stray(content: NDArray[np.uint8], quotes: NDArray[np.int64], separator: int) -> int | None:
    """Return the first misplaced quotation mark."""
    edges = np.array([separator, ord("\n"), ord(QUOTE)], dtype=np.uint8)
    opening, closing = quotes[::2], quotes[1::2]
    wrong = np.zeros(len(quotes), dtype=bool)
    # Two in a row are a doubled mark if the first closes a cell. In an empty quoted cell the first of the two
    # opens it.
    wrong[::2] = (opening > 0) & ~np.isin(content[opening - 1], edges)
    wrong[1::2] = ~np.isin(content[np.minimum(closing + 1, len(content) - 1)], edges)
    return int(np.flatnonzero(wrong)[0]) if wrong.any() else None
