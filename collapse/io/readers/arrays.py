"""Files of arrays without pickles: ``.npy``, ``.npz`` and ``.safetensors``."""

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors

from collapse.errors import CollapseError
from collapse.files.opening import open_file
from collapse.io.formats.sample import Format, starts, zipped
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State, find_state, plain
from collapse.io.torch_file import Unreadable
from collapse.io.torch_file.unpickler import unpickled
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
        If the file cannot be read, or holds Python objects without a table.
    """
    with explain_damage(path, "a complete .npy file"):
        with open_file(path) as file:
            objects = _holds_objects(file)
        if objects:
            return _of_objects(path)
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
    if not objects:
        return archive[name]
    with archive.zip.open(f"{name}.npy") as member:
        found = _objects(member)
    return Unreadable("an array of Python objects") if found is None else found


def _of_objects(path: Path) -> State:
    """Read an array of objects: a dictionary of arrays, or rows that are arrays."""
    with open_file(path) as file:
        found = _objects(file)
    name = path_text(Path(path.stem))
    if isinstance(found, np.ndarray):
        return State(tensors={name: found})
    state = None if found is None else find_state(found)
    if state is None:
        raise CollapseError(f"{path} holds Python objects, and no table of numbers among them")
    return state


def _objects(file: Any) -> Any:
    """Return what an array of objects holds, read without running code: a matrix, or the single object.

    Returns
    -------
    array, mapping or None
        None if the objects are neither rows of equal length nor a single dictionary.
    """
    _holds_objects(file)
    builder, _ = unpickled(file.read())
    objects = getattr(builder, "objects", None) or []
    if len(objects) == 1 and isinstance(objects[0], Mapping):
        return vectors_by_key(objects[0])
    rows = [plain(row) for row in objects]
    if not rows or any(not isinstance(row, np.ndarray | list) for row in rows):
        return None
    arrays = [np.asarray(row) for row in rows]
    alike = len({array.shape for array in arrays}) == 1 and arrays[0].ndim == 1
    return np.stack(arrays) if alike and all(array.dtype.kind == "f" for array in arrays) else None


def vectors_by_key(content: Mapping[Any, Any]) -> Any:
    """Return a dictionary that holds one vector for each key as a matrix; others unchanged."""
    values = [plain(value) for value in content.values()]
    shapes = {getattr(value, "shape", None) for value in values}
    if len(values) > 1 and len(shapes) == 1 and len(next(iter(shapes)) or ()) == 1:
        return np.array(values)
    return content


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
        about="one array of numbers; of objects, rows of equal length or a dictionary of arrays",
    ),
    Format(
        name="an .npz file",
        matches=zipped(r"\.npy$"),
        suffixes=(".npz",),
        read=read_npz,
        about="arrays of numbers, and of rows of equal length; other arrays of objects are skipped",
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
