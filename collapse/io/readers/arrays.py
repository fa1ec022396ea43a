"""Files of arrays without pickles: ``.npy``, ``.npz`` and ``.safetensors``."""

import json
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors

from collapse.errors import CollapseError, first_line
from collapse.files.opening import check_is_file, open_file
from collapse.io.readers.state import State
from collapse.io.torch_file import Unreadable
from collapse.printable import path_text

SUFFIXES = (".npy", ".npz", ".safetensors")

_SAFETENSORS = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BF16": ml_dtypes.bfloat16, "I64": "i8", "I32": "i4", "I16": "i2",
    "I8": "i1", "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def read_arrays(path: Path) -> State:
    """Read the arrays of a file.

    Parameters
    ----------
    path : Path
        The file. Nothing in it is run. A ``.npy`` file is one array with the name of the file. It and the arrays
        of a ``.safetensors`` file stay on disk.

    Raises
    ------
    CollapseError
        If the file cannot be read.
    """
    check_is_file(path)
    try:
        if path.suffix == ".safetensors":
            return _safetensors(path)
        return State(tensors=dict(_arrays(path)))
    except CollapseError:
        raise
    except Exception as error:  # a damaged file may raise anything
        raise CollapseError(f"{path} is not a complete {path.suffix} file: {first_line(error)}") from error


def _arrays(path: Path) -> Iterator[tuple[str, Any]]:
    if path.suffix == ".npy":
        with open_file(path) as file:
            objects = _holds_objects(file)
        if objects:
            raise CollapseError(
                f"{path} holds Python objects, and reading these could run code: save the float arrays in it with "
                'np.savez("tables.npz", NAME=ARRAY)'
            )
        yield path_text(Path(path.stem)), np.lib.format.open_memmap(path, mode="r")
    else:
        with open_file(path) as file, np.load(file, allow_pickle=False) as archive:
            for name in archive.files:
                yield name, _array(archive, name)


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
    """Map the arrays of a file whose header safetensors has checked."""
    with safetensors.safe_open(path, framework="numpy") as checked:
        metadata = checked.metadata() or {}
    with open_file(path) as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        content = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)[8 + size :]
    header.pop("__metadata__", None)
    return State(tensors={name: _tensor(content, header[name]) for name in sorted(header)}, metadata=metadata)


def _tensor(content: Any, entry: dict[str, Any]) -> Any:
    if entry["dtype"] not in _SAFETENSORS:
        return Unreadable(f"of type {entry['dtype']}")
    start, stop = entry["data_offsets"]
    return content[start:stop].view(_SAFETENSORS[entry["dtype"]]).reshape(entry["shape"])
