"""The pickle of a torch file, in which a storage is named by its type, key and number of entries."""

import pickle
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from collapse.torch_file.names import HARMLESS, KNOWN, Unreadable, stored
from collapse.torch_file.stubs import Stub, stub_class


class Unpickler(pickle._Unpickler):  # noqa: SLF001
    """Reads tensors and plain values, and puts a `Stub` in place of everything else.

    Of Python's two unpicklers it is the one in Python: that in C takes 16 bytes of memory for each number up to
    the one under which a pickle remembers an object, which a damaged file may put at four billion.

    Parameters
    ----------
    file : binary file
        The pickle.
    storage : callable
        Returns the bytes of a storage by its key.
    """

    def __init__(self, file: IO[bytes], storage: Callable[[str], NDArray[np.uint8]]) -> None:
        super().__init__(file, encoding="latin1")
        self._storage = storage
        self.foreign: dict[str, Any] = {}
        """What stands for each name that a file of tensors and plain values does not hold."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Return what stands for a name; nothing is imported."""
        full = f"{module}.{name}"
        if full in KNOWN:
            return KNOWN[full]
        if full not in self.foreign:
            self.foreign[full] = HARMLESS.get(full) or stub_class(full)
        return self.foreign[full]

    def persistent_load(self, pid: Any, /) -> Any:
        """Return a storage as its type and bytes."""
        kind, *rest = pid
        if kind == "module":
            # Files of before torch 1.6 name a class so, beside its source text.
            return rest[0]
        dtype, key, _device, entries, *view = rest
        if kind != "storage":
            raise ValueError(f"record {key} is no storage")
        if isinstance(dtype, type) and issubclass(dtype, Stub):
            return Unreadable(dtype.name)
        if isinstance(dtype, Unreadable):
            return dtype
        record = self._storage(str(key))
        if entries * stored(dtype).itemsize > len(record):
            raise ValueError(f"record {key} holds fewer than {entries} numbers")
        if view and view[0] is not None:
            _key, first, size = view[0]
            record = record[first * stored(dtype).itemsize :][: size * stored(dtype).itemsize]
        return dtype, record
