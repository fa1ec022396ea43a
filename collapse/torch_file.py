"""Torch's file format read without torch: plain values, and tensors as arrays that are mapped from the file.

Such a file is a zip archive of uncompressed records: a pickle of everything, in which each tensor is a storage's
number, an offset, a shape and strides, and a record of bytes a storage. The pickle may name the few functions that
rebuild a tensor and an ordered dictionary; any other name is refused, so nothing in the file is ever run.
"""

import mmap
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.files import explained

_TYPES = {
    "BFloat16Storage": "bfloat16",
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "ShortStorage": "int16",
}
_LOCAL_HEADER = struct.Struct("<26xHH")


def read_torch_file(path: Path) -> Any:
    """Read what ``torch.save`` wrote.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Any
        Its content. Tensors are arrays that are mapped from the file, which stays as it is when they are written
        to; those of bfloat16, which NumPy lacks, are torch's.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, no such archive, or would have to run code to be read.
    """
    if path.is_dir():
        raise CollapseError(f"{path} is a folder: name the checkpoint in it, such as {path / 'best.pt'}")
    with explained("read", path), path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise CollapseError(f"{path} is not a torch checkpoint: it is no zip archive")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        try:
            return _Unpickler(_records(zipfile.ZipFile(file), np.frombuffer(mapped, np.uint8))).load()
        except _ForeignNameError as error:
            raise CollapseError(
                f"{path} was refused: it holds objects whose code would have to run to read it ({error}); "
                "ask for a file with the state dict alone"
            ) from error
        except Exception as error:
            # What a damaged archive or pickle raises can be anything.
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise CollapseError(f"{path} is damaged or cut off: {reason}") from error


def as_tensors(content: Any) -> Any:
    """Return a content with torch's tensors, of the same memory, in place of its arrays."""
    import torch

    if isinstance(content, np.ndarray):
        return torch.from_numpy(content)
    if isinstance(content, Mapping):
        return {key: as_tensors(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(as_tensors(item) for item in content)
    return content


class _ForeignNameError(Exception):
    """A pickle names what is not known to be harmless."""


def _records(archive: zipfile.ZipFile, content: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """Return the bytes of every record by its name, without the folder that all of them are in."""
    records = {}
    for item in archive.infolist():
        if item.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"record {item.filename} is compressed")
        name, extra = _LOCAL_HEADER.unpack_from(content.data, item.header_offset)
        start = item.header_offset + _LOCAL_HEADER.size + name + extra
        if start + item.file_size > len(content):
            raise ValueError(f"record {item.filename} is not all there")
        records[item.filename.partition("/")[2]] = content[start : start + item.file_size]
    if records.get("byteorder", np.frombuffer(b"little", np.uint8)).tobytes() != b"little":
        raise ValueError("it was written on a machine of another byte order")
    return records


class _Unpickler(pickle.Unpickler):
    """The pickle of an archive, in which a storage is named by its type, record and number of entries."""

    def __init__(self, records: Mapping[str, NDArray[np.uint8]]) -> None:
        super().__init__(BytesIO(records["data.pkl"].tobytes()))
        self._records = records

    def find_class(self, module: str, name: str, /) -> Any:
        try:
            return _NAMES[f"{module}.{name}"]
        except KeyError:
            raise _ForeignNameError(f"{module}.{name}") from None

    def persistent_load(self, pid: Any, /) -> Any:
        kind, dtype, key, _device, entries = pid
        record = self._records[f"data/{key}"]
        if kind != "storage" or dtype not in _TYPES.values():
            raise ValueError(f"record {key} is no storage")
        if entries * _stored(dtype).itemsize > len(record):
            raise ValueError(f"record {key} holds fewer than {entries} numbers")
        return dtype, record


def _tensor(
    storage: tuple[str, NDArray[np.uint8]], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> Any:
    """Rebuild a tensor; NumPy refuses one that reaches beyond its record."""
    dtype, record = storage
    size = _stored(dtype).itemsize
    array: NDArray[Any] = np.ndarray(
        shape, _stored(dtype), record, offset=offset * size, strides=[stride * size for stride in strides]
    )
    if dtype != "bfloat16":
        return array
    import torch

    return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _latin(text: str, _encoding: str) -> bytes:
    """Return bytes, which the pickle protocol of these files knows as text alone."""
    return text.encode("latin1")


def _stored(dtype: str) -> np.dtype[Any]:
    return np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder("<")


_NAMES: dict[str, Any] = {
    "_codecs.encode": _latin,
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": tuple,
    **{f"torch.{storage}": dtype for storage, dtype in _TYPES.items()},
}
