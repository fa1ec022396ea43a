"""Files that may be compressed: lines, read a block at a time, and mapped bytes."""

import bz2
import gzip
import lzma
import mmap
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any, cast

from collapse.files.opening import explain_os_errors, open_file

COMPRESSED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
"""First bytes of compressed files, and how they are opened."""
SUFFIXES = (".gz", ".bz2", ".xz")
"""Endings of the names of compressed files."""
_BLOCK = 1 << 22
"""Bytes of lines that are read at once."""
_EXPANSION = 300
"""Most bytes of text for each compressed byte. Text of numbers has less than ten; a file of zeros a thousand."""
_LONGEST = 1 << 24
"""Longest line in bytes."""


@contextmanager
def open_text(path: Path) -> Iterator[BufferedIOBase]:
    """Open a file for reading bytes, decompressing it if its first bytes say so.

    Raises
    ------
    CollapseError
        If the file cannot be opened.
    """
    with open_file(path) as file:
        start = file.read(6)
        file.seek(0)
        opener = next((opener for magic, opener in COMPRESSED.items() if start.startswith(magic)), None)
        if opener is None:
            yield file
        else:
            with opener(file, "rb") as content:
                yield cast(BufferedIOBase, _Bounded(content, path.stat().st_size))


def mapped(path: Path) -> mmap.mmap:
    """Map a file, or a temporary file with its decompressed bytes, which is deleted when no longer used.

    Raises
    ------
    CollapseError
        If the file cannot be opened, or the temporary file not written.
    ValueError
        If the file is empty.
    """
    with open_text(path) as content:
        if not isinstance(content, _Bounded):
            return mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ)
        with tempfile.TemporaryFile() as file:
            with explain_os_errors("unpack into a temporary file", path):
                shutil.copyfileobj(content, file, _BLOCK)
                file.flush()
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def decompressed_start(path: Path, size: int) -> bytes:
    """Return the first bytes of what a compressed file holds; empty if it is damaged."""
    try:
        with open_text(path) as file:
            return file.read(size)
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):
        return b""


class _Bounded(BytesIO):
    """Decompressed bytes, which must not be far more than the compressed ones."""

    def __init__(self, content: Any, size: int) -> None:
        super().__init__()
        self._content, self._left = content, _EXPANSION * max(size, 1 << 12)

    def read(self, size: int | None = -1, /) -> bytes:
        found: bytes = self._content.read(self._left + 1 if size is None or size < 0 else size)
        self._left -= len(found)
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {_EXPANSION} times its size")
        return found


def blocks_of_lines(file: BufferedIOBase) -> Iterator[list[bytes]]:
    """Yield lines without their ends, a few megabytes at a time. Empty lines are left out.

    Raises
    ------
    ValueError
        If a line is longer than 16 MB.
    """
    rest = b""
    while content := file.read(_BLOCK):
        complete, mark, after = content.rpartition(b"\n")
        if not mark:
            rest += content
            if len(rest) > _LONGEST:
                raise ValueError(f"a line is longer than {_LONGEST:,} bytes")
            continue
        yield [line for line in (rest + complete).split(b"\n") if line.strip()]
        rest = after
    if rest.strip():
        yield [rest]
