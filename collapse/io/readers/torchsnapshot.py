"""Folders of torchsnapshot: a list of the parts of every tensor, and files with their bytes.

Source: https://github.com/pytorch/torchsnapshot, torchsnapshot/manifest.py
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from collapse.files.json_file import read_json
from collapse.files.opening import map_file
from collapse.io.blocks import Block, BlockTable
from collapse.io.formats.sample import Format, holds
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State, is_optimiser
from collapse.io.torch_file import Unreadable

METADATA = ".snapshot_metadata"
_PARTS = {"ShardedTensor": "shards", "ChunkedTensor": "chunks", "DTensor": "shards"}
_TYPES = {
    "torch.float64": "f8",
    "torch.float32": "f4",
    "torch.float16": "f2",
    "torch.bfloat16": ml_dtypes.bfloat16,
}


def read_torchsnapshot(folder: Path, _verify: bool = True) -> State:
    """Map the tensors of a snapshot. The shards of all ranks are put together.

    Raises
    ------
    CollapseError
        If a file is missing or damaged.
    """
    with explain_damage(folder, "a complete torchsnapshot"):
        tensors: dict[str, list[tuple[tuple[int, int], Mapping[str, Any]]]] = {}
        found: dict[str, Any] = {}
        optimiser = 0
        for key, entry in read_json(folder / METADATA)["manifest"].items():
            _rank, _, name = key.partition("/")
            kind = entry["type"]
            if kind != "Tensor" and kind not in _PARTS:
                continue
            if is_optimiser(tuple(name.split("/"))):
                optimiser += 1
            elif kind == "Tensor":
                found[name] = _tensor(folder, entry)
            else:
                parts = entry[_PARTS[kind]]
                tensors.setdefault(name, []).extend((tuple(part["offsets"]), part["tensor"]) for part in parts)
        for name, of_tensor in tensors.items():
            found[name] = _joined(folder, of_tensor)
    left = (f"{optimiser} tensors (an optimiser's state)",) if optimiser else ()
    return State(tensors=found, left=left)


def _joined(folder: Path, parts: list[tuple[Any, Mapping[str, Any]]]) -> Any:
    arrays = {offsets: _tensor(folder, entry) for offsets, entry in parts}
    if any(isinstance(array, Unreadable) or array.ndim != 2 for array in arrays.values()):
        return Unreadable("in parts that are not matrices")
    blocks = [Block.of(array, row=row, column=column) for (row, column), array in arrays.items()]
    return BlockTable(blocks, next(iter(arrays.values())).dtype)


def _tensor(folder: Path, entry: Mapping[str, Any]) -> Any:
    """Map the bytes of one tensor."""
    if entry["serializer"] != "buffer_protocol" or entry["dtype"] not in _TYPES:
        return Unreadable(f"of type {entry['dtype']}")
    path = folder / entry["location"]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"a tensor is in {entry['location']}, outside of the folder")
    whole = np.frombuffer(map_file(path), np.uint8)
    first, last = entry.get("byte_range") or (0, len(whole))
    dtype, shape = np.dtype(_TYPES[entry["dtype"]]), tuple(entry["shape"])
    if not 0 <= first <= last <= len(whole) or math.prod(shape) * dtype.itemsize != last - first:
        raise ValueError(
            f"a tensor of shape {shape} does not have the bytes {first} to {last} of {entry['location']}"
        )
    return whole[first:last].view(dtype).reshape(shape)


FORMATS = (
    Format(
        name="a torchsnapshot folder",
        matches=holds(r"\.snapshot_metadata"),
        read=read_torchsnapshot,
        about="tensors, chunks and shards of all ranks",
    ),
)
"""Folders of torchsnapshot."""
