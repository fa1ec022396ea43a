"""Flat indexes of faiss, which keep every vector as it is.

Source: https://github.com/facebookresearch/faiss, write_index in faiss/impl/index_write.cpp
"""

import mmap
import struct
from pathlib import Path

import numpy as np

from collapse.files.opening import map_file
from collapse.io.formats.sample import Format, starts
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State
from collapse.printable import path_text

_FLAT = (b"IxF2", b"IxFI", b"IxFl")
_WITH_IDS = (b"IxMp", b"IxM2")
"""An index of another one's vectors under ids."""
_HEADER = struct.Struct("<iqqq?i")
_ARGUMENT = struct.Struct("<f")


def read_faiss(path: Path, _verify: bool = True) -> State:
    """Map the vectors of an index, of type float32.

    Raises
    ------
    CollapseError
        If the index is damaged.
    """
    with explain_damage(path, "a complete flat index of faiss"):
        content = map_file(path)
        at = _after_header(content, 0) if content[:4] in _WITH_IDS else 0
        if content[at : at + 4] not in _FLAT:
            raise ValueError("its vectors are compressed: make a flat index of them")
        columns, rows, *_ = _HEADER.unpack_from(content, at + 4)
        at = _after_header(content, at)
        (entries,) = struct.unpack_from("<q", content, at)
        end = at + 8 + 4 * entries
        if entries != rows * columns or columns < 1 or end > len(content):
            raise ValueError(f"it does not hold {rows:,} vectors of {columns} numbers")
        E = np.frombuffer(content, np.uint8)[at + 8 : end].view("<f4").reshape(rows, columns)
    name = path_text(Path(path.stem))
    return State(tensors={name: E}, tables=frozenset({name}), format="faiss")


def _after_header(content: mmap.mmap, at: int) -> int:
    """Return the position after the header of an index, which has an argument for some metrics."""
    *_, metric = _HEADER.unpack_from(content, at + 4)
    return at + 4 + _HEADER.size + (_ARGUMENT.size if metric > 1 else 0)


FORMATS = (
    Format(
        name="a flat index of faiss",
        matches=starts(*_FLAT, *_WITH_IDS),
        read=read_faiss,
        about="IndexFlat, also under ids (IndexIDMap)",
    ),
)
"""Files of faiss."""
