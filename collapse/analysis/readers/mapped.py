"""Tables that are mapped from a file: whether they are, and how their memory is given back."""

import mmap
from typing import Any

import numpy as np


def is_mapped(table: Any) -> bool:
    """Tell whether the rows of a table are read from a file where they are looked at."""
    return hasattr(table, "release") or _mapping(table) is not None


def release(table: Any) -> None:
    """Give back the memory of a table's rows; they are read from the file again where they are needed.

    Does nothing for a table in memory, or on a system that cannot (Windows).

    Parameters
    ----------
    table : (D, K) array
        The table. What has a method ``release`` does it itself.
    """
    if hasattr(table, "release"):
        table.release()
    elif (mapping := _mapping(table)) is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def _mapping(array: Any) -> mmap.mmap | None:
    """Return the mapping of a file that an array is a view of."""
    while isinstance(array, np.ndarray | memoryview):
        array = array.base if isinstance(array, np.ndarray) else array.obj
    return array if isinstance(array, mmap.mmap) else None
