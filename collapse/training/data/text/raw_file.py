"""A raw file on disk, plain or compressed, which is hashed while it is read and watched for changes."""

import codecs
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from collapse.errors import CollapseError
from collapse.files.opening import check_is_file, explain_os_errors
from collapse.printable import path_text, printable
from collapse.training.data.store.prepared import Source

OTHER_ENCODING = "pass its --encoding, for example latin-1, cp1252 or utf-16"
"""Hint for text that is not UTF-8."""


class RawFile:
    """The bytes on disk, hashed and counted while they are read.

    Parameters
    ----------
    path : Path
        The file.
    quiet : bool
        Show no progress.
    encoding : str, optional
        Encoding of the text, which is converted to UTF-8.

    Raises
    ------
    CollapseError
        If the encoding is unknown.
    """

    def __init__(self, path: Path, *, quiet: bool = False, encoding: str | None = None) -> None:
        self.path = path
        self._encoding = None if encoding is None else _known(encoding)
        self.byte_order_mark = False
        """Whether the text that was read begins with a byte-order mark."""
        check_is_file(path)
        self._file = path.open("rb", buffering=0)
        self._stat = os.fstat(self._file.fileno())
        self._digest = hashlib.sha256()
        size = self._stat.st_size
        self._bar = tqdm(total=size, desc=printable(path.name), unit="B", unit_scale=True, disable=quiet or None)

    def read(self, size: int) -> bytes:
        """Read at most `size` bytes; none at the end."""
        data = self._file.read(size) or b""
        self._digest.update(data)
        self._bar.update(len(data))
        return data

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the content in chunks, decompressed if the file's name ends in ``.gz``.

        A byte-order mark at the start is skipped.

        Raises
        ------
        CollapseError
            If the system refuses, the file is not a complete gzip file, or its text has another encoding.
        """
        decoder = None if self._encoding is None else codecs.getincrementaldecoder(self._encoding)()
        stream: Any = gzip.GzipFile(fileobj=self, mode="rb") if self.path.suffix == ".gz" else self  # type: ignore[call-overload]
        try:
            with explain_os_errors("read", self.path):
                first = True
                while chunk := stream.read(size):
                    if decoder is not None:
                        chunk = decoder.decode(chunk).encode()
                    if first and chunk.startswith(codecs.BOM_UTF8):
                        self.byte_order_mark = True
                        chunk = chunk.removeprefix(codecs.BOM_UTF8)
                    first = False
                    if chunk:
                        yield chunk
                if decoder is not None:
                    decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise CollapseError(
                f"{self.path} is not {self._encoding} text: {error.reason}; pass another --encoding"
            ) from error
        except (EOFError, zlib.error) as error:
            raise CollapseError(f"{self.path} is not a complete gzip file: {error}") from error

    def finished(self) -> Source:
        """Close the file and return its size and hash.

        Raises
        ------
        CollapseError
            If the file has changed on disk.
        """
        self.close()
        self.check_unchanged()
        return Source(
            name=path_text(Path(self.path.name)),
            size=self._stat.st_size,
            sha256=self._digest.hexdigest(),
            byte_order_mark=self.byte_order_mark,
        )

    def check_unchanged(self) -> None:
        """Compare size and time with those when the file was opened.

        Raises
        ------
        CollapseError
            If they differ.
        """
        with explain_os_errors("read", self.path):
            now = self.path.stat()
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise CollapseError(f"{self.path} changed while it was read: try again when it is complete")

    def close(self) -> None:
        """Close the file."""
        self._bar.close()
        self._file.close()


def _known(encoding: str) -> str:
    """Return the name of a text encoding as Python knows it."""
    try:
        found = codecs.lookup(encoding)
    except (LookupError, ValueError):
        found = None
    # Others, such as base64, do not decode to text.
    if found is None or not getattr(found, "_is_text_encoding", True):
        raise CollapseError(
            f"unknown --encoding {encoding!r}: use for example utf-8, latin-1, cp1252, gb18030 or utf-16"
        )
    return found.name


@contextmanager
def opened(path: Path, *, quiet: bool = False, encoding: str | None = None) -> Iterator[RawFile]:
    """Open a raw file for the duration of the block.

    If it changes meanwhile, this is reported before other errors.

    Raises
    ------
    CollapseError
        If the system refuses.
    """
    with explain_os_errors("read", path):
        raw = RawFile(path, quiet=quiet, encoding=encoding)
    with closing(raw):
        try:
            yield raw
        except CollapseError:
            raw.check_unchanged()
            raise
