"""Folders of ``torch.distributed.checkpoint``: tensors in shards of rows and columns.

The file ``.metadata`` says which part of which tensor is at which bytes of which rank's file, and each part is a
torch file of one tensor. ``.metadata`` is a pickle, which is read without its classes. Parts are mapped on demand,
so a table that is larger than memory is never loaded.
"""

import mmap
from collections.abc import Iterator, Mapping
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from collapse.errors import CollapseError, first_line
from collapse.files.opening import check_is_file, open_file
from collapse.io.blocks import Block, BlockTable
from collapse.io.readers.state import State, is_optimiser
from collapse.io.torch_file import Stub, Unreadable, read_foreign_bytes
from collapse.io.torch_file.unpickler import Unpickler

METADATA = ".metadata"


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
    path = folder / METADATA
    with open_file(path) as file:
        content = file.read()
    try:
        metadata = Unpickler(BytesIO(content), _no_storage).load()
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
        raise CollapseError(f"{path} is damaged: {first_line(error)}") from error
    left = (f"an optimiser's state ({optimiser} tensors: no tables)",) if optimiser else ()
    return State(tensors=kept, left=left)


_Key = tuple[str, tuple[int, ...]]


def _key(index: Stub) -> _Key:
    return index.attributes["fqn"], tuple(index.attributes.get("offset") or ())


def _tensor(folder: Path, name: str, tensor: Stub, places: Mapping[_Key, Stub], verify: bool) -> Any:
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
    folder: Path, name: str, chunks: list[Stub], places: Mapping[_Key, Stub], verify: bool
) -> Iterator[Block]:
    for chunk in chunks:
        offsets, sizes = tuple(chunk.attributes["offsets"]), tuple(chunk.attributes["sizes"])
        if 0 in sizes:
            continue
        place = places[name, offsets].attributes
        if place.get("transform_descriptors"):
            raise ValueError(f"a part of {name!r} is compressed")
        file = folder / place["relative_path"]
        if file.parent != folder:
            raise ValueError(f"a part of {name!r} is outside of the folder")
        check_is_file(file)
        read = cache(partial(_part, file, place["offset"], place["length"], sizes, verify))
        yield Block(
            row=offsets[0],
            column=offsets[1],
            shape=(sizes[0], sizes[1]),
            read=read,
            # Unmaps the part if it was mapped.
            release=read.cache_clear,
        )


def _part(file: Path, offset: int, length: int, shape: tuple[int, ...], verify: bool) -> Any:
    """Map the bytes of one part."""
    with open_file(file) as opened:
        whole = np.frombuffer(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY), np.uint8)
    found, _ = read_foreign_bytes(whole[offset : offset + length], file, verify=verify)
    if not hasattr(found, "dtype") or tuple(found.shape) != shape:
        raise CollapseError(f"{file} is damaged: a part of a tensor does not have the shape {shape}")
    return found


def _dtype(properties: Any) -> Any:
    """Return the type of a tensor's numbers, which its properties hold as an attribute or first in a state."""
    held = properties.attributes.get("dtype") or properties.state[0]
    return np.dtype(ml_dtypes.bfloat16 if held == "bfloat16" else held)


def _no_storage(key: str) -> Any:
    raise ValueError(f"it refers to the storage {key}")
