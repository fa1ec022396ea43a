"""Folders of ``torch.distributed.checkpoint``: tensors in shards of rows and columns.

The file ``.metadata`` says which part of which tensor is at which bytes of which rank's file, and each part is a
torch file of one tensor. ``.metadata`` is a pickle, which is read without its classes. Parts are mapped on demand,
so a table that is larger than memory is never loaded.
"""

import mmap
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError, first_line
from collapse.files.opening import open_file
from collapse.io.blocks import Block, BlockTable
from collapse.io.readers.state import State, is_optimiser
from collapse.io.torch_file import Stub, Unreadable, read_foreign_bytes
from collapse.io.torch_file.unpickler import unpickled

METADATA = ".metadata"


class Folder(Protocol):
    """Where the files of a checkpoint are."""

    def metadata(self) -> bytes:
        """Return the bytes of ``.metadata``."""

    def part(self, name: str, offset: int, length: int) -> NDArray[np.uint8]:
        """Return the bytes of a part of a rank's file."""

    def shown(self, name: str) -> str:
        """Return the path of a file, for error messages."""


def read_distributed(folder: Path, *, verify: bool = True) -> State:
    """Read a checkpoint folder.

    Parameters
    ----------
    folder : Path
        The folder with ``.metadata`` and the ranks' files.
    verify : bool
        Compare the bytes of a part with its checksums when it is first used.

    Returns
    -------
    State
        The matrices, put together on demand; other tensors by their kind.

    Raises
    ------
    CollapseError
        If a file is missing or damaged.
    """
    return read_parts(_LocalFolder(folder), verify=verify)


def read_parts(folder: Folder, *, verify: bool = True) -> State:
    """Read a checkpoint folder wherever it is, as `read_distributed` does.

    Raises
    ------
    CollapseError
        If a file is missing or damaged.
    """
    content = folder.metadata()
    try:
        metadata, _ = unpickled(content)
        places = {_key(index): place for index, place in metadata.attributes["storage_data"].items()}
        kept, optimiser = {}, 0
        for name, tensor in metadata.attributes["state_dict_metadata"].items():
            if is_optimiser(tuple(name.split("."))):
                optimiser += 1
            elif "chunks" in tensor.attributes:
                kept[name] = _tensor(folder, name, tensor, places, verify)
    except CollapseError:
        raise
    except Exception as error:  # a damaged file may raise anything
        raise CollapseError(f"{folder.shown(METADATA)} is damaged: {first_line(error)}") from error
    left = (f"an optimiser's state ({optimiser} tensors: no tables)",) if optimiser else ()
    return State(tensors=kept, left=left)


class _LocalFolder:
    """A folder on this machine, whose files are mapped."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def metadata(self) -> bytes:
        with open_file(self._path / METADATA) as file:
            return file.read()

    def part(self, name: str, offset: int, length: int) -> NDArray[np.uint8]:
        with open_file(self._path / name) as opened:
            whole = np.frombuffer(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY), np.uint8)
        return whole[offset : offset + length]

    def shown(self, name: str) -> str:
        return str(self._path / name)


_Key = tuple[str, tuple[int, ...]]


def _key(index: Stub) -> _Key:
    return index.attributes["fqn"], tuple(index.attributes.get("offset") or ())


def _tensor(folder: Folder, name: str, tensor: Stub, places: Mapping[_Key, Stub], verify: bool) -> Any:
    size = tuple(tensor.attributes["size"])
    dtype = _dtype(tensor.attributes["properties"])
    if len(size) != 2:
        return Unreadable(f"{len(size)}-dimensional")
    blocks = list(_blocks(folder, name, tensor.attributes["chunks"], places, verify))
    table = BlockTable(blocks, dtype)
    if table.shape != size and 0 not in size:
        raise ValueError(f"the parts of {name!r} cover {table.shape} instead of {size}")
    return table


def _blocks(
    folder: Folder, name: str, chunks: list[Stub], places: Mapping[_Key, Stub], verify: bool
) -> Iterator[Block]:
    for chunk in chunks:
        offsets, sizes = tuple(chunk.attributes["offsets"]), tuple(chunk.attributes["sizes"])
        if 0 in sizes:
            continue
        place = places[name, offsets].attributes
        if place.get("transform_descriptors"):
            raise ValueError(f"a part of {name!r} is compressed")
        file = place["relative_path"]
        if not isinstance(file, str) or PurePosixPath(file).name != file:
            raise ValueError(f"a part of {name!r} is outside of the folder")
        read = cache(partial(_part, folder, file, place["offset"], place["length"], sizes, verify))
        yield Block(
            row=offsets[0],
            column=offsets[1],
            shape=(sizes[0], sizes[1]),
            read=read,
            # Unmaps the part if it was mapped.
            release=read.cache_clear,
        )


def _part(folder: Folder, name: str, offset: int, length: int, shape: tuple[int, ...], verify: bool) -> Any:
    """Return the numbers of one part."""
    file = Path(folder.shown(name))
    found, _ = read_foreign_bytes(folder.part(name, offset, length), file, verify=verify)
    if not hasattr(found, "dtype") or tuple(found.shape) != shape:
        raise CollapseError(f"{file} is damaged: a part of a tensor does not have the shape {shape}")
    return found


def _dtype(properties: Any) -> Any:
    """Return the type of a tensor's numbers, which its properties hold as an attribute or first in a state."""
    held = properties.attributes.get("dtype") or properties.state[0]
    return np.dtype(ml_dtypes.bfloat16 if held == "bfloat16" else held)
