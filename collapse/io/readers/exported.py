"""Programs of ``torch.export`` (.pt2): an archive with the bytes of each weight, and a list of their names.

Source: torch/export/pt2_archive and torch/_export/serde/schema.py
"""

import json
import math
import mmap
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from collapse.files.opening import open_file
from collapse.io.formats.sample import Format, zipped
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State, find_state
from collapse.io.torch_file import Unreadable, read_foreign_bytes
from collapse.io.torch_file.archive import ZipRecords

_WEIGHTS = "data/weights/"
_CONFIG = f"{_WEIGHTS}model_weights_config.json"
_STATE = "serialized_state_dict.pt"
"""The weights as a torch file, before torch 2.8."""
_TYPES: dict[int, Any] = {
    1: "u1", 2: "i1", 3: "i2", 4: "i4", 5: "i8", 6: "f2", 7: "f4", 8: "f8", 10: "c8", 11: "c16", 12: "?",
    13: ml_dtypes.bfloat16, 28: "u2", 29: ml_dtypes.float8_e4m3fn, 30: ml_dtypes.float8_e5m2,
}  # fmt: skip


def read_exported(path: Path, verify: bool = True) -> State:
    """Map the weights of a program.

    Parameters
    ----------
    path : Path
        The file.
    verify : bool
        Compare the weights with the archive's checksums.

    Raises
    ------
    CollapseError
        If the file is damaged.
    """
    with explain_damage(path, "a complete program of torch.export"):
        with open_file(path) as file:
            content = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), np.uint8)
        records = ZipRecords(content, verify)
        if _CONFIG in records:
            config = json.loads(records[_CONFIG].tobytes())["config"]
            return State(tensors={name: _tensor(entry, records) for name, entry in config.items()})
        content, classes = read_foreign_bytes(records[_STATE], path, verify=verify)
        state = find_state(content, classes)
        if state is None:
            raise ValueError("its state dict holds no tensor")
        return state


def _tensor(entry: dict[str, Any], records: ZipRecords) -> Any:
    held = entry["tensor_meta"]
    if entry.get("use_pickle") or held["dtype"] not in _TYPES:
        return Unreadable("of a type that cannot be read")
    dtype = np.dtype(_TYPES[held["dtype"]])
    shape = [_number(size) for size in held["sizes"]]
    strides = [_number(stride) for stride in held["strides"]]
    record = records[f"{_WEIGHTS}{entry['path_name']}"]
    if math.prod(shape) * dtype.itemsize > len(record):
        raise ValueError(f"a weight of shape {shape} has more numbers than its record")
    return np.ndarray(
        shape,
        dtype,
        record,
        offset=_number(held["storage_offset"]) * dtype.itemsize,
        strides=[stride * dtype.itemsize for stride in strides],
    )


def _number(value: dict[str, Any]) -> int:
    number = value["as_int"]
    if type(number) is not int or not 0 <= number < 1 << 62:
        raise ValueError("a size is not a whole number")
    return number


FORMATS = (
    Format(
        name="a torch.export program (.pt2)",
        matches=zipped(rf"(^|/)({_CONFIG}|{_STATE})$"),
        read=read_exported,
        about="its weights, under the names of the model's parameters",
    ),
)
"""Programs of torch.export."""
