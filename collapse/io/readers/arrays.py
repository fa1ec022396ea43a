"""Files of arrays without pickles: ``.npy``, ``.npz`` and ``.safetensors``."""

import json
import mmap
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors

from collapse.errors import CollapseError
from collapse.files.opening import open_file
from collapse.io.formats.sample import Format, starts, zipped
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State
from collapse.io.torch_file import Unreadable
from collapse.printable import path_text

SAFETENSORS = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BF16": ml_dtypes.bfloat16, "I64": "i8", "I32": "i4", "I16": "i2",
    "I8": "i1", "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?",
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
}  # fmt: skip


def read_npy(path: Path, _verify: bool = True) -> State:
    """Map the array of a ``.npy`` file, which gets the name of the file.

    Raises
    ------
    CollapseError
        If the file cannot be read, or holds Python objects.
    """
    with explain_damage(path, "a complete .npy file"):
        with open_file(path) as file:
            objects = _holds_objects(file)
        if objects:
            raise CollapseError(
                f"{path} holds Python objects, and reading these could run code: save the float arrays in it with "
                'np.savez("tables.npz", NAME=ARRAY)'
            )
        return State(tensors={path_text(Path(path.stem)): np.lib.format.open_memmap(path, mode="r")})


def read_npz(path: Path, _verify: bool = True) -> State:
    """Read the arrays of an ``.npz`` file into memory. Arrays of Python objects are left out.

    Raises
    ------
    CollapseError
        If the file cannot be read.
    """
    with (
        explain_damage(path, "a complete .npz file"),
        open_file(path) as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        return State(tensors={name: _array(archive, name) for name in archive.files})


def read_safetensors(path: Path, _verify: bool = True) -> State:
    """Map the arrays of a ``.safetensors`` file, whose header safetensors has checked.

    Raises
    ------
    CollapseError
        If the file cannot be read.
    """
    with explain_damage(path, "a complete .safetensors file"):
        return _safetensors(path)


def _array(archive: Any, name: str) -> Any:
    with archive.zip.open(f"{name}.npy") as member:
        objects = _holds_objects(member)
    return Unreadable("an array of Python objects") if objects else archive[name]


def _holds_objects(file: Any) -> bool:
    major, _ = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    *_, dtype = read_header(file)
    return bool(dtype.hasobject)


def _safetensors(path: Path) -> State:
    with safetensors.safe_open(path, framework="numpy") as checked:
        metadata = checked.metadata() or {}
    with open_file(path) as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        content = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)[8 + size :]
    header.pop("__metadata__", None)
    return State(tensors={name: _tensor(content, header[name]) for name in sorted(header)}, metadata=metadata)


def _tensor(content: Any, entry: dict[str, Any]) -> Any:
    if entry["dtype"] not in SAFETENSORS:
        return Unreadable(f"of type {entry['dtype']}")
    start, stop = entry["data_offsets"]
    return content[start:stop].view(SAFETENSORS[entry["dtype"]]).reshape(entry["shape"])


FORMATS = (
    Format(
        name="a .npy file",
        matches=starts(b"\x93NUMPY"),
        suffixes=(".npy",),
        read=read_npy,
        about="one array of numbers",
    ),
    Format(
        name="an .npz file",
        matches=zipped(r"\.npy$"),
        suffixes=(".npz",),
        read=read_npz,
        about="arrays of numbers; arrays of Python objects are skipped",
    ),
    Format(
        name="a .safetensors file",
        matches=starts(b"{", at=8),
        suffixes=(".safetensors",),
        read=read_safetensors,
        about="all floating-point types of 8 bits or more",
    ),
)
"""Files of arrays."""
