"""Names that a pickle of tensors may contain, and what stands for each."""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from collapse.io.decoded import quantised
from collapse.io.torch_file.bounds import MOST_CHARACTERS, check_key
from collapse.io.torch_file.stubs import ArrayBuilder, DtypeBuilder, Stub, array_of_buffer, scalar, stub_class

_TYPES = {
    "BFloat16Storage": "bfloat16",
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "QInt8Storage": "int8",
    "QUInt8Storage": "uint8",
    "ShortStorage": "int16",
}
_DTYPES = (
    "complex32", "complex64", "complex128", "uint16", "uint32", "uint64",
    "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2",
    *_TYPES.values(),
)  # fmt: skip
_STORED = (
    *_TYPES.values(), "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
    "float8_e5m2fnuz",
)  # fmt: skip
"""Types that are read."""


_MOST_DIMENSIONS = 64
"""Most dimensions of an array in NumPy."""
_MOST_ENTRIES = 1 << 62
"""More entries could not be addressed in 64 bits."""


class _Fixed:
    """Base of objects whose attributes a pickle cannot change."""

    def __setstate__(self, state: Any) -> None:
        raise ValueError("it changes an object that it only names")


@dataclass(frozen=True)
class Unreadable(_Fixed):
    """A tensor of a kind that cannot be read."""

    kind: str
    """Its kind, such as ``sparse`` or ``float8_e4m3fn``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """None, which shows that it is not an array."""
        return ()


@dataclass(frozen=True)
class _Function(_Fixed):
    """One of the functions below."""

    function: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


def stored(dtype: Any) -> np.dtype[Any]:
    """Return the type of a storage's numbers.

    Raises
    ------
    ValueError
        If the name is not that of a storage. NumPy would accept others, such as objects.
    """
    if not isinstance(dtype, str) or dtype not in _STORED:
        raise ValueError("a storage has a type that cannot be read")
    return np.dtype(getattr(ml_dtypes, dtype, dtype)).newbyteorder("<")


def _tensor(
    storage: tuple[str, NDArray[np.uint8]] | Unreadable, offset: Any, shape: Any, strides: Any, *_: Any
) -> Any:
    """Rebuild a tensor. NumPy refuses one that extends beyond its record."""
    if isinstance(storage, Unreadable):
        return storage
    dtype, record = storage
    if not all(_are_counts(numbers) for numbers in ((offset,), shape, strides)):
        raise ValueError("a tensor's offset, shape or strides are not whole numbers")
    if 0 in strides and math.prod(shape) > len(record):
        return Unreadable("expanded: it has more numbers than it stores")
    if math.prod(shape) * stored(dtype).itemsize > len(record):
        raise ValueError(f"a tensor of shape {shape} has more numbers than its record")
    size = stored(dtype).itemsize
    array: NDArray[Any] = np.ndarray(
        shape, stored(dtype), record, offset=offset * size, strides=[stride * size for stride in strides]
    )
    return array


def _are_counts(numbers: Any) -> bool:
    """Return whether a tuple holds whole numbers, at most as many as an array has dimensions."""
    return (
        isinstance(numbers, tuple | list)
        and len(numbers) <= _MOST_DIMENSIONS
        and all(type(number) is int and 0 <= number < _MOST_ENTRIES for number in numbers)
    )


def _ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
    """Return an ordered dictionary, whose attributes the pickle cannot set."""
    found: OrderedDict[Any, Any] = OrderedDict()
    for key, value in pairs.items() if isinstance(pairs, dict) else pairs:
        check_key(key)
        found[key] = value
    return found


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _of_type(build: Any, _type: Any, args: tuple[Any, ...], _state: Any) -> Any:
    """Rebuild a tensor of a subclass, or with attributes, as a plain tensor."""
    return build(*args) if isinstance(build, _Function) else Unreadable("of an unknown class")


def _latin(text: str, _encoding: str) -> bytes:
    """Return bytes, which this pickle protocol can only express as text."""
    return text.encode("latin1")


def _unreadable(kind: str) -> Callable[..., Unreadable]:
    return lambda *_: Unreadable(kind)


def _of_dtype(
    storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> Any:
    """Rebuild a tensor with the name of its type, from a storage of bytes."""
    if not isinstance(dtype, str) or dtype not in _STORED or not isinstance(storage, tuple):
        return Unreadable(dtype if isinstance(dtype, str) and dtype in _DTYPES else "of an unknown type")
    return _tensor((dtype, storage[1]), offset, shape, strides)


def _quantised(storage: Any, offset: Any, shape: Any, strides: Any, quantiser: Any, *_: Any) -> Any:
    """Rebuild a quantised tensor: one scale and zero point for all entries, or for each row."""
    codes = _tensor(storage, offset, shape, strides)
    if isinstance(codes, Unreadable) or codes.ndim != 2:
        return Unreadable("quantised")
    scheme, scales, zeros, *axis = quantiser
    if scheme == "per_tensor_affine":
        scales, zeros = np.array([scales]), np.array([zeros])
    elif scheme not in ("per_channel_affine", "per_channel_affine_float_qparams") or axis != [0]:
        return Unreadable("quantised along its columns")
    return quantised(codes, np.asarray(scales, np.float32), np.asarray(zeros))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "_codecs.encode": _latin,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch._utils._rebuild_tensor_v3": _of_dtype,
    "torch._utils._rebuild_sparse_tensor": _unreadable("sparse"),
    "torch._utils._rebuild_qtensor": _quantised,
    "torch._utils._rebuild_nested_tensor": _unreadable("nested"),
    "torch._utils._rebuild_meta_tensor_no_storage": _unreadable("on the meta device, without numbers"),
    "torch.serialization._get_layout": _unreadable("a layout"),
}
KNOWN: dict[str, Any] = {
    "collections.OrderedDict": _Function(_ordered),
    "torch.Size": tuple,
    "torch.storage.UntypedStorage": "uint8",
    "torch.per_tensor_affine": "per_tensor_affine",
    "torch.per_channel_affine": "per_channel_affine",
    "torch.per_channel_affine_float_qparams": "per_channel_affine_float_qparams",
    **{name: _Function(function) for name, function in _FUNCTIONS.items()},
    **{f"torch.{kind}Storage": Unreadable(f"{kind.lower()}") for kind in ("QInt32", "QUInt4x2", "QUInt2x4")},
    **{f"torch.{dtype}": dtype for dtype in _DTYPES},
    **{f"torch.{storage}": dtype for storage, dtype in _TYPES.items()},
}
"""Names in files of tensors and plain values."""


def _reconstructed(kind: Any, *_: Any) -> Any:
    """Rebuild a stub as Python rebuilds objects of classes without a method for it."""
    return kind()


def _attribute(owner: Any, name: Any, *_: Any) -> Any:
    """Return a stub for a nested class, which pickles ask for as an attribute."""
    if not isinstance(name, str) or not (isinstance(owner, type) and issubclass(owner, Stub)):
        raise ValueError("it asks for an attribute of an object that is not a class")
    if len(owner.name) + len(name) > MOST_CHARACTERS:
        raise ValueError(f"it names a class with more than {MOST_CHARACTERS} characters")
    return stub_class(f"{owner.name}.{name}")


HARMLESS: dict[str, Any] = {
    "builtins.getattr": _Function(_attribute),
    "__builtin__.getattr": _Function(_attribute),
    "builtins.set": list,
    "builtins.frozenset": list,
    "builtins.object": object,
    "__builtin__.set": list,
    "__builtin__.object": object,
    "copyreg._reconstructor": _Function(_reconstructed),
    "copy_reg._reconstructor": _Function(_reconstructed),
    **{f"numpy.{core}.multiarray._reconstruct": ArrayBuilder for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _Function(scalar) for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _Function(array_of_buffer) for core in ("core", "_core")},
    "numpy.ndarray": "ndarray",
    "numpy.dtype": DtypeBuilder,
}
"""Other names in foreign files, apart from their own classes."""
