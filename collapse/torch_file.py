"""Torch's file format read without torch: plain values, and tensors as arrays that are mapped from the file.

Such a file is a zip archive of uncompressed records: a pickle of everything, in which each tensor is a storage's
number, an offset, a shape and strides, and a record of bytes a storage. The pickle may name the few functions that
rebuild a tensor and an ordered dictionary; any other name is refused, so nothing in the file is ever run.
"""

import math
import mmap
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError, first_line
from collapse.files import check_is_file, explained

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
_DTYPES = (
    "complex32", "complex64", "complex128", "uint16", "uint32", "uint64",
    "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2",
    *_TYPES.values(),
)  # fmt: skip


@dataclass(frozen=True)
class Unreadable:
    """A tensor of a kind that is not read: nothing but what it is."""

    kind: str
    """Such as ``sparse`` or ``float8_e4m3fn``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """None: what asks for it learns that it is no array."""
        return ()


def read_torch_file(path: Path, *, verify: bool = True) -> Any:
    """Read what ``torch.save`` wrote.

    Parameters
    ----------
    path : Path
        The file.
    verify : bool
        Compare the archive's checksum of each record that is read with its bytes, which reads all of them.

    Returns
    -------
    Any
        Its content. Tensors are arrays that are mapped from the file, which stays as it is when they are written
        to; those of bfloat16, which NumPy lacks, are torch's; those that are sparse, quantised, complex, without a
        storage or of eight bits are `Unreadable`.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, no such archive, or would have to run code to be read.
    """
    if path.is_dir():
        raise CollapseError(f"{path} is a folder: name the checkpoint in it, such as {path / 'best.pt'}")
    check_is_file(path)
    with explained("read", path), path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise CollapseError(f"{path} is not a torch checkpoint: it is no zip archive")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        try:
            return _Unpickler(_Records(zipfile.ZipFile(file), np.frombuffer(mapped, np.uint8), verify)).load()
        except _ChecksumError as error:
            raise CollapseError(
                f"{path} is damaged: the bytes of its record {error} do not give the checksum that was written "
                "with them; copy it again from where it is whole, or read it as it is with --no-verify"
            ) from error
        except _ForeignNameError as error:
            raise CollapseError(
                f"{path} was refused: it holds objects whose code would have to run to read it ({error}); "
                "ask for a file with the state dict alone"
            ) from error
        except Exception as error:
            # What a damaged archive or pickle raises can be anything.
            raise CollapseError(f"{path} is damaged or cut off: {first_line(error)}") from error


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


class _ChecksumError(Exception):
    """A record is not what was written."""


class _Records:
    """The bytes of every record by its name, without the folder that all of them are in."""

    def __init__(self, archive: zipfile.ZipFile, content: NDArray[np.uint8], verify: bool) -> None:
        self._verify = verify
        self._records: dict[str, tuple[NDArray[np.uint8], int]] = {}
        self._verified: set[str] = set()
        for item in archive.infolist():
            if item.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"record {item.filename} is compressed")
            name, extra = _LOCAL_HEADER.unpack_from(content.data, item.header_offset)
            start = item.header_offset + _LOCAL_HEADER.size + name + extra
            if start + item.file_size > len(content):
                raise ValueError(f"record {item.filename} is not all there")
            record = content[start : start + item.file_size]
            self._records[item.filename.partition("/")[2]] = record, item.CRC
        if "byteorder" in self._records and self["byteorder"].tobytes() != b"little":
            raise ValueError("it was written on a machine of another byte order")

    def __getitem__(self, name: str) -> NDArray[np.uint8]:
        record, checksum = self._records[name]
        if self._verify and name not in self._verified:
            if zlib.crc32(record.data) != checksum:
                raise _ChecksumError(name)
            self._verified.add(name)
        return record


class _Unpickler(pickle.Unpickler):
    """The pickle of an archive, in which a storage is named by its type, record and number of entries."""

    def __init__(self, records: _Records) -> None:
        super().__init__(BytesIO(records["data.pkl"].tobytes()))
        self._records = records

    def find_class(self, module: str, name: str, /) -> Any:
        try:
            return _NAMES[f"{module}.{name}"]
        except KeyError:
            raise _ForeignNameError(f"{module}.{name}") from None

    def persistent_load(self, pid: Any, /) -> Any:
        kind, dtype, key, _device, entries = pid
        if kind != "storage":
            raise ValueError(f"record {key} is no storage")
        if isinstance(dtype, Unreadable):
            return dtype
        record = self._records[f"data/{key}"]
        if entries * _stored(dtype).itemsize > len(record):
            raise ValueError(f"record {key} holds fewer than {entries} numbers")
        return dtype, record


def _tensor(
    storage: tuple[str, NDArray[np.uint8]] | Unreadable,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_: Any,
) -> Any:
    """Rebuild a tensor; NumPy refuses one that reaches beyond its record."""
    if isinstance(storage, Unreadable):
        return storage
    dtype, record = storage
    if math.prod(shape) * _stored(dtype).itemsize > len(record):
        raise ValueError(f"a tensor of shape {shape} has more numbers than its record")
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


def _unreadable(kind: str) -> Callable[..., Unreadable]:
    return lambda *_: Unreadable(kind)


def _of_dtype(_storage: Any, _offset: Any, _shape: Any, _strides: Any, _grad: Any, _hooks: Any, dtype: str) -> Any:
    return Unreadable(dtype)


def _stored(dtype: str) -> np.dtype[Any]:
    return np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder("<")


_NAMES: dict[str, Any] = {
    "_codecs.encode": _latin,
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_tensor_v3": _of_dtype,
    "torch._utils._rebuild_sparse_tensor": _unreadable("sparse"),
    "torch._utils._rebuild_qtensor": _unreadable("quantised"),
    "torch._utils._rebuild_nested_tensor": _unreadable("nested"),
    "torch._utils._rebuild_meta_tensor_no_storage": _unreadable("on the meta device, without numbers"),
    "torch.serialization._get_layout": _unreadable("a layout"),
    "torch.Size": tuple,
    "torch.storage.UntypedStorage": Unreadable("untyped"),
    "torch.per_tensor_affine": "per_tensor_affine",
    "torch.per_channel_affine": "per_channel_affine",
    **{
        f"torch.{kind}Storage": Unreadable(f"{kind.lower()}")
        for kind in ("ComplexFloat", "ComplexDouble", "QInt8", "QUInt8", "QInt32")
    },
    **{f"torch.{dtype}": dtype for dtype in _DTYPES},
    **{f"torch.{storage}": dtype for storage, dtype in _TYPES.items()},
}
