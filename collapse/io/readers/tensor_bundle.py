"""Tensors of a TensorFlow checkpoint, which is an index and files of data, without TensorFlow.

Source: tensorflow/core/util/tensor_bundle and tensorflow/core/protobuf/tensor_bundle.proto
"""

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.files.opening import open_file
from collapse.io.blocks import Block, BlockTable
from collapse.io.readers import protobuf, sorted_table
from collapse.io.readers.damage import explain_damage
from collapse.io.torch_file import Unreadable

_TYPES: dict[int, Any] = {
    1: "f4", 2: "f8", 3: "i4", 4: "u1", 5: "i2", 6: "i1", 8: "c8", 9: "i8", 10: "?", 14: ml_dtypes.bfloat16,
    17: "u2", 18: "c16", 19: "f2", 22: "u4", 23: "u8", 24: ml_dtypes.float8_e5m2, 25: ml_dtypes.float8_e4m3fn,
}  # fmt: skip
_TEXT = 7
_MOST_SHARDS = 100_000
_CHUNK = 1 << 26
"""Bytes whose checksum is computed at once."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The tensors of a checkpoint."""

    tensors: Mapping[str, Any]
    """Mapped arrays, tables of slices, or `Unreadable`, by key."""
    texts: Mapping[str, bytes]
    """Single texts, such as the graph of objects, by key."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """Position of a tensor."""

    type: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    slices: tuple[tuple[tuple[int, int], ...], ...]
    """First index and length along each dimension, for a tensor that is stored in parts."""


def read_bundle(prefix: Path, *, verify: bool = True) -> Bundle:
    """Read the tensors of a checkpoint.

    Parameters
    ----------
    prefix : Path
        The path without ``.index`` or ``.data-00000-of-00001``.
    verify : bool
        Compare the bytes of matrices with their checksums, which reads them.

    Raises
    ------
    CollapseError
        If a file is missing or damaged.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    with explain_damage(index, "a complete index of a TensorFlow checkpoint"):
        with open_file(index) as file:
            found = dict(sorted_table.entries(memoryview(file.read())))
        header = found.pop(b"", memoryview(b""))
        shards = protobuf.number(header, 1)
        if not 1 <= shards <= _MOST_SHARDS:
            raise ValueError(f"its header has {shards} shards")
        order = ">" if protobuf.number(header, 2) else "<"
        entries = {key: _entry(value) for key, value in found.items()}
        data = _Data(prefix, shards, order, verify)
        tensors, texts = {}, {}
        for key, entry in entries.items():
            if key.startswith(b"\0"):
                continue  # a slice, which its tensor names
            name = key.decode(errors="replace")
            if entry.type == _TEXT and not entry.shape:
                texts[name] = data.text(entry)
            else:
                tensors[name] = _tensor(name, entry, entries, data)
    return Bundle(tensors=tensors, texts=texts)


def _entry(message: memoryview) -> _Entry:
    shape = next(protobuf.messages(message, 2), memoryview(b""))
    checksum = next((value for number, value in protobuf.fields(message) if number == 6), 0)
    return _Entry(
        type=protobuf.number(message, 1),
        shape=tuple(protobuf.number(dimension, 1) for dimension in protobuf.messages(shape, 2)),
        shard=protobuf.number(message, 3),
        offset=protobuf.number(message, 4),
        size=protobuf.number(message, 5),
        checksum=int(checksum) & 0xFFFFFFFF if isinstance(checksum, int) else 0,
        slices=tuple(
            tuple(
                (protobuf.number(extent, 1), protobuf.number(extent, 2, -1))
                for extent in protobuf.messages(part, 1)
            )
            for part in protobuf.messages(message, 7)
        ),
    )


def _tensor(name: str, entry: _Entry, entries: Mapping[bytes, _Entry], data: "_Data") -> Any:
    if entry.type not in _TYPES:
        return Unreadable("text" if entry.type == _TEXT else f"of TensorFlow's type {entry.type}")
    if not entry.slices:
        return data.array(name, entry)
    if len(entry.shape) != 2:
        return Unreadable(f"{len(entry.shape)}-dimensional")
    blocks = []
    for part in entry.slices:
        values = data.array(name, entries[_slice_key(name, part)])
        (row, _), (column, _) = part
        blocks.append(Block.of(values, row=row, column=column))
    table = BlockTable(blocks, blocks[0].read().dtype)
    if table.shape != entry.shape:
        raise ValueError(f"the slices of {name} cover {table.shape} instead of {entry.shape}")
    return table


class _Data:
    """The files of data, mapped when they are first needed."""

    def __init__(self, prefix: Path, shards: int, order: str, verify: bool) -> None:
        self._prefix, self._shards, self._order, self._verify = prefix, shards, order, verify
        self._mapped: dict[int, NDArray[np.uint8]] = {}

    def array(self, name: str, entry: _Entry) -> Any:
        """Return a tensor as a mapped array."""
        dtype = np.dtype(_TYPES[entry.type]).newbyteorder(self._order)
        if (
            min(entry.shape, default=0) < 0
            or entry.size != int(np.prod(entry.shape, dtype=object)) * dtype.itemsize
        ):
            raise ValueError(f"{name} has a shape of {entry.shape} but {entry.size} bytes")
        content = self._bytes(entry)
        if self._verify and len(entry.shape) == 2 and dtype.kind in "fV":
            self._check(name, content, entry.checksum)
        return content.view(dtype).reshape(entry.shape)

    def text(self, entry: _Entry) -> bytes:
        """Return a single text: its length, the checksum of the length, and its bytes.

        The checksum of the text covers the length as an integer of 32 bits, the other checksum, and the bytes.
        """
        content = memoryview(self._bytes(entry).tobytes())
        size, at = protobuf.varint(content, 0)
        if at + 4 + size != len(content):
            raise ValueError("a text is longer or shorter than it says")
        found = google_crc32c.extend(google_crc32c.value(size.to_bytes(4, "little")), bytes(content[at:]))
        if found != sorted_table.unmasked(entry.checksum):
            raise ValueError("a text does not match its checksum")
        return bytes(content[at + 4 :])

    def _bytes(self, entry: _Entry) -> NDArray[np.uint8]:
        whole = self._shard(entry.shard)
        if not (entry.offset >= 0 and entry.size >= 0 and entry.offset + entry.size <= len(whole)):
            raise ValueError("a tensor is beyond the end of its file of data")
        return whole[entry.offset : entry.offset + entry.size]

    def _shard(self, number: int) -> NDArray[np.uint8]:
        if not 0 <= number < self._shards:
            raise ValueError(f"a tensor is in shard {number} of {self._shards}")
        if number not in self._mapped:
            path = self._prefix.with_name(f"{self._prefix.name}.data-{number:05d}-of-{self._shards:05d}")
            with open_file(path) as file:
                size = file.seek(0, 2)
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
            self._mapped[number] = np.frombuffer(mapped, np.uint8)
        return self._mapped[number]

    def _check(self, name: str, content: NDArray[np.uint8], checksum: int) -> None:
        found = 0
        for start in range(0, len(content), _CHUNK):
            found = google_crc32c.extend(found, content[start : start + _CHUNK].tobytes())
        if found != sorted_table.unmasked(checksum):
            raise CollapseError(
                f"{self._prefix} is damaged: the tensor {name} does not match its checksum; copy the files again, "
                "or read them as they are with --no-verify"
            )


def _slice_key(name: str, part: tuple[tuple[int, int], ...]) -> bytes:
    """Return the key of a slice, in the order-preserving code of tensorflow/core/lib/strings/ordered_code.cc."""
    escaped = name.encode().replace(b"\xff", b"\xff\0").replace(b"\0", b"\0\xff")
    sizes = b"".join(_signed(number) for extent in part for number in extent)
    return b"\0" + escaped + b"\0\x01" + bytes([1, len(part)]) + sizes


def _signed(value: int) -> bytes:
    """Return a number in the code: n bytes hold 7 n - 1 bits and a sign, after n - 1 inverted bits of it."""
    magnitude = ~value if value < 0 else value
    size = next(n for n in range(1, 10) if magnitude < 1 << (7 * n - 1))
    marks = ((1 << size) - 1) << (7 * size)
    return ((value & ((1 << (8 * size)) - 1)) ^ marks).to_bytes(size, "big")
