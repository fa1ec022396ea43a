"""Formats whose tables are read in parts over the network: safetensors, .npy, and torch.distributed.checkpoint.

Only the header and the parts of the tables are fetched, 16 MB at a time, so that neither memory nor disk holds a
whole table.
"""

import json
import math
from functools import cache, partial
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError, first_line
from collapse.io.blocks import Block, BlockTable
from collapse.io.readers.arrays import SAFETENSORS
from collapse.io.readers.distributed import METADATA, read_parts
from collapse.io.readers.state import State
from collapse.io.remote.place import RemotePlace
from collapse.io.torch_file import Unreadable

_HEAD = 4096
_PART = 1 << 24
"""Bytes that are fetched at once."""
_LONGEST_HEADER = 100_000_000
"""Longest header of a .safetensors file, as its library has it."""


def read_in_parts(place: RemotePlace, *, verify: bool) -> State | None:
    """Read the header of a file or folder, with tables that fetch their rows when they are read.

    Parameters
    ----------
    place : RemotePlace
        The file or folder.
    verify : bool
        Compare the parts of a ``torch.distributed.checkpoint`` with their checksums.

    Returns
    -------
    State or None
        None for another format.

    Raises
    ------
    CollapseError
        If the file is damaged or cannot be read.
    """
    if not place.is_dir():
        return _read_file(place)
    names = place.names()
    if METADATA in names:
        return read_parts(_RemoteFolder(place), verify=verify)
    files = sorted(name for name in names if name.endswith(".safetensors"))
    states = [state for name in files if (state := _read_file(place.inside(name))) is not None]
    tensors = {name: tensor for state in states for name, tensor in state.tensors.items()}
    return State(tensors=tensors) if states else None


def _read_file(place: RemotePlace) -> State | None:
    if not place.has_ranges():
        return None
    size = place.size()
    head = place.read(0, min(size, _HEAD))
    try:
        if head[8:9] == b"{" and 8 < int.from_bytes(head[:8], "little") + 8 <= size:
            return _safetensors(place, int.from_bytes(head[:8], "little"), size)
        if head.startswith(b"\x93NUMPY"):
            return _npy(place, head, size)
    except CollapseError:
        raise
    except Exception as error:  # a damaged header may raise anything
        raise CollapseError(f"{place.url} is damaged: {first_line(error)}") from error
    return None


def _safetensors(place: RemotePlace, length: int, size: int) -> State:
    if length > _LONGEST_HEADER:
        raise ValueError("its header is too long")
    header = json.loads(place.read(8, 8 + length))
    metadata = header.pop("__metadata__", {})
    tensors: dict[str, Any] = {}
    for name, entry in sorted(header.items()):
        first, last = entry["data_offsets"]
        if entry["dtype"] not in SAFETENSORS:
            tensors[name] = Unreadable(f"of type {entry['dtype']}")
            continue
        dtype, shape = np.dtype(SAFETENSORS[entry["dtype"]]), tuple(entry["shape"])
        if not 0 <= first <= last <= size - 8 - length or math.prod(shape) * dtype.itemsize != last - first:
            raise ValueError(f"the tensor {name} does not fit into the file")
        tensors[name] = _table(place, 8 + length + first, shape, dtype)
    return State(tensors=tensors, metadata=metadata)


def _npy(place: RemotePlace, head: bytes, size: int) -> State:
    file = BytesIO(head)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject or fortran or math.prod(shape) * dtype.itemsize != size - file.tell():
        raise ValueError("it holds objects, lies in columns, or is incomplete: copy it and read the copy")
    return State(tensors={place.url.stem: _table(place, file.tell(), shape, dtype)})


def _table(place: RemotePlace, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    if len(shape) != 2:
        return Unreadable(f"{len(shape)}-dimensional")
    D, K = shape
    rows = max(1, _PART // max(1, K * dtype.itemsize))
    blocks = []
    for row in range(0, D, rows):
        of_block = min(rows, D - row)
        read = cache(partial(_rows, place, start + row * K * dtype.itemsize, (of_block, K), dtype))
        blocks.append(Block(row=row, column=0, shape=(of_block, K), read=read, release=read.cache_clear))
    return BlockTable(blocks, dtype)


def _rows(place: RemotePlace, start: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    content = place.read(start, start + shape[0] * shape[1] * dtype.itemsize)
    return np.frombuffer(content, dtype).reshape(shape)


class _RemoteFolder:
    """A folder of ``torch.distributed.checkpoint`` behind a URL."""

    def __init__(self, place: RemotePlace) -> None:
        self._place = place

    def __str__(self) -> str:
        return str(self._place.url)

    def metadata(self) -> bytes:
        """Return the bytes of the metadata."""
        file = self._place.inside(METADATA)
        return file.read(0, file.size())

    def part(self, name: str, offset: int, length: int) -> NDArray[np.uint8]:
        """Fetch the bytes of one part."""
        return np.frombuffer(bytearray(self._place.inside(name).read(offset, offset + length)), np.uint8)

    def shown(self, name: str) -> str:
        """Return the address of a file, for error messages."""
        return f"{self._place.url}/{name}"
