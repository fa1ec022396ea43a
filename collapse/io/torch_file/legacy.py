"""The file format before torch 1.6: a sequence of pickles, followed by the bytes of every storage."""

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from collapse.io.torch_file.archive import as_file
from collapse.io.torch_file.names import Unreadable, stored
from collapse.io.torch_file.unpickler import Unpickler

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
LEGACY = b"\x80\x02\x8a\x0a" + _MAGIC.to_bytes(10, "little") + b"."
"""First bytes of such a file."""


class LegacyRecords:
    """The pickle, and the storages that follow it.

    Parameters
    ----------
    content : array of uint8
        The file.
    """

    def __init__(self, content: NDArray[np.uint8]) -> None:
        self._content = content
        file = as_file(content)
        _, version, system = (self._plain(file) for _ in range(3))
        if version != _VERSION or not isinstance(system, dict) or not system.get("little_endian", True):
            raise ValueError("it has another version, or was written on a machine with another byte order")
        self._start = file.tell()
        sizes: dict[str, int] = {}
        _Sizes(file, sizes).load()
        self._storages: dict[str, NDArray[np.uint8]] = {}
        keys = self._plain(file)
        at = file.tell()
        for key in keys:
            size = int(np.frombuffer(content[at : at + 8], "<i8")[0]) * sizes[str(key)]
            self._storages[str(key)] = content[at + 8 : at + 8 + size]
            if size < 0 or at + 8 + size > len(content):
                raise ValueError(f"storage {key} is incomplete")
            at += 8 + size

    def pickle(self) -> IO[bytes]:
        """Return the pickle."""
        return as_file(self._content[self._start :])

    def storage(self, key: str) -> NDArray[np.uint8]:
        """Return the bytes of a storage by its key."""
        return self._storages[key]

    @staticmethod
    def _plain(file: IO[bytes]) -> Any:
        return Unpickler(file, _no_storage).load()


class _Sizes(Unpickler):
    """A first pass that finds the item size of every storage, and so where the next one begins."""

    def __init__(self, file: IO[bytes], sizes: dict[str, int]) -> None:
        super().__init__(file, _no_storage)
        self._sizes = sizes

    def persistent_load(self, pid: Any, /) -> Any:
        """Record the item size."""
        kind, dtype, key, *_ = pid
        if kind == "storage":
            if not isinstance(dtype, str):
                raise ValueError(f"storage {key} has a type that cannot be read")
            self._sizes[str(key)] = stored(dtype).itemsize
        return dtype if kind == "module" else Unreadable("not yet read")


def _no_storage(key: str) -> NDArray[np.uint8]:
    raise ValueError(f"storage {key} is not in the file")
