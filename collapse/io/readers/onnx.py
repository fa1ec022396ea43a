"""Models in ONNX: the initialisers of their graph.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from collapse.files.opening import map_file
from collapse.io.formats.sample import Format, both, ends, starts
from collapse.io.readers import protobuf
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State
from collapse.io.torch_file import Unreadable

_GRAPH, _INITIALIZER = 7, 5
_DIMS, _TYPE, _FLOATS, _NAME, _RAW, _DOUBLES, _OUTSIDE = 1, 2, 4, 8, 9, 10, 13
_TYPES: dict[int, Any] = {
    1: "f4", 2: "u1", 3: "i1", 4: "u2", 5: "i2", 6: "i4", 7: "i8", 9: "?", 10: "f2", 11: "f8", 12: "u4", 13: "u8",
    14: "c8", 15: "c16", 16: ml_dtypes.bfloat16, 17: ml_dtypes.float8_e4m3fn, 19: ml_dtypes.float8_e5m2,
}  # fmt: skip
_IN_FIELDS = {_FLOATS: "f4", _DOUBLES: "f8"}
"""Packed numbers of a tensor without raw bytes."""


def read_onnx(path: Path, _verify: bool = True) -> State:
    """Map the initialisers of a model, also those in a file next to it.

    Raises
    ------
    CollapseError
        If the model is damaged.
    """
    with explain_damage(path, "a complete ONNX model"):
        return State(tensors=dict(_initialisers(path)), format="ONNX")


def _initialisers(path: Path) -> Iterator[tuple[str, Any]]:
    for graph in protobuf.messages(memoryview(map_file(path)), _GRAPH):
        for number, tensor in enumerate(protobuf.messages(graph, _INITIALIZER)):
            name = protobuf.text(tensor, _NAME) or f"initializer_{number}"
            shape = protobuf.numbers(tensor, _DIMS)
            kind = protobuf.number(tensor, _TYPE)
            yield name, _tensor(path, tensor, shape, kind)


def _tensor(path: Path, tensor: memoryview, shape: list[int], kind: int) -> Any:
    if kind not in _TYPES:
        return Unreadable(f"of ONNX's type {kind}")
    dtype = np.dtype(_TYPES[kind]).newbyteorder("<")
    outside = {protobuf.text(entry, 1): protobuf.text(entry, 2) for entry in protobuf.messages(tensor, _OUTSIDE)}
    if outside:
        content = _outside(path, outside)
    else:
        parts = {number: value for number, value in protobuf.fields(tensor) if isinstance(value, memoryview)}
        found = next((number for number in (_RAW, *_IN_FIELDS) if number in parts), None)
        if found is None or (found != _RAW and dtype != _IN_FIELDS[found]):
            return Unreadable("without raw bytes")
        content = parts[found]
    array = np.frombuffer(content, np.uint8)
    if min(shape, default=0) < 0 or len(array) != int(np.prod(shape, dtype=object)) * dtype.itemsize:
        raise ValueError(f"a tensor of shape {shape} has {len(array):,} bytes")
    return array.view(dtype).reshape(shape)


def _outside(path: Path, entry: dict[str, str]) -> memoryview:
    """Return the bytes of a tensor in another file, which must be next to the model."""
    file = path.parent / entry.get("location", "")
    if file.resolve().parent != path.resolve().parent:
        raise ValueError("a tensor is outside of the model's folder")
    content = memoryview(map_file(file))
    offset = int(entry.get("offset", 0))
    length = int(entry.get("length", len(content) - offset))
    if not 0 <= offset <= offset + length <= len(content):
        raise ValueError(f"a tensor is beyond the end of {file.name}")
    return content[offset : offset + length]


FORMATS = (
    Format(
        name="an ONNX model (.onnx)",
        matches=both(starts(b"\x08"), ends(".onnx")),
        read=read_onnx,
        about="its initialisers, also those in a file next to it",
    ),
)
"""Models in ONNX."""
