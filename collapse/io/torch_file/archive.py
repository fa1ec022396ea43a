"""Records of a torch archive: a pickle, and the bytes of every storage."""

import struct
import zipfile
import zlib
from io import BytesIO, RawIOBase
from typing import IO, Protocol, cast

import numpy as np
from numpy.typing import NDArray

_LINE = 1 << 16
"""Longest line of a pickle, which is the name of a class or a number."""
_LOCAL_HEADER = struct.Struct("<26xHH")


class Records(Protocol):
    """Interface of both file formats."""

    def pickle(self) -> IO[bytes]:
        """Return the pickle."""

    def storage(self, key: str) -> NDArray[np.uint8]:
        """Return the bytes of a storage by its key."""


class ChecksumError(Exception):
    """The bytes of a record do not match its checksum."""


class ZipRecords:
    """Records of a zip archive by name, without the top-level folder.

    Parameters
    ----------
    content : array of uint8
        The archive.
    verify : bool
        Compare the records that are read with the archive's checksums.
    """

    def __init__(self, content: NDArray[np.uint8], verify: bool) -> None:
        self._verify = verify
        self._records: dict[str, tuple[NDArray[np.uint8], int]] = {}
        self._verified: set[str] = set()
        self._compressed: set[str] = set()
        with zipfile.ZipFile(as_file(content)) as archive:
            entries = archive.infolist()
        for item in entries:
            if item.compress_type != zipfile.ZIP_STORED:
                # The source text of a TorchScript program is compressed, and never read.
                self._compressed.add(item.filename.partition("/")[2])
                continue
            name, extra = _LOCAL_HEADER.unpack_from(content.data, item.header_offset)
            start = item.header_offset + _LOCAL_HEADER.size + name + extra
            if start + item.file_size > len(content):
                raise ValueError(f"record {item.filename} is incomplete")
            record = content[start : start + item.file_size]
            self._records[item.filename.partition("/")[2]] = record, item.CRC
        if "byteorder" in self._records and self["byteorder"].tobytes() != b"little":
            raise ValueError("it was written on a machine with another byte order")

    def pickle(self) -> IO[bytes]:
        """Return the pickle."""
        return BytesIO(self["data.pkl"].tobytes())

    def storage(self, key: str) -> NDArray[np.uint8]:
        """Return the bytes of a storage by its key."""
        return self[f"data/{key}"]

    def __contains__(self, name: str) -> bool:
        return name in self._records

    def __getitem__(self, name: str) -> NDArray[np.uint8]:
        if name in self._compressed:
            raise ValueError(f"record {name} is compressed")
        record, checksum = self._records[name]
        if self._verify and name not in self._verified:
            if zlib.crc32(record.data) != checksum:
                raise ChecksumError(name)
            self._verified.add(name)
        return record


def as_file(content: NDArray[np.uint8]) -> IO[bytes]:
    """Return bytes in memory as a file, without copying them."""
    return cast(IO[bytes], _Bytes(content))


class _Bytes(RawIOBase):
    """Bytes in memory as a file."""

    def __init__(self, content: NDArray[np.uint8]) -> None:
        self._content, self._at = content, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = max(0, offset + (0, self._at, len(self._content))[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        # Return at most what there is: a damaged file may ask for terabytes.
        end = len(self._content) if size is None or size < 0 else self._at + size
        part = self._content[self._at : end].tobytes()
        self._at += len(part)
        return part

    def readline(self, size: int | None = -1, /) -> bytes:
        limit = _LINE if size is None or size < 0 else min(size, _LINE)
        ends = np.flatnonzero(self._content[self._at : self._at + limit] == ord("\n"))
        return self.read(int(ends[0]) + 1 if len(ends) else limit)

    def readinto(self, buffer: "memoryview", /) -> int:  # type: ignore[override]
        part = self._content[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part.data
        self._at += len(part)
        return len(part)
