"""Tables whose rows are read where they are looked at: sets side by side, shards, products, mapped files."""

import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Block:
    """A part of a table."""

    row: int
    """Its first row in the table."""
    column: int
    """Its first column."""
    shape: tuple[int, int]
    """Its rows and columns."""
    read: Callable[[], Any]
    """Returns its numbers: an array or a tensor, mapped from a file mostly."""
    release: Callable[[], None] = lambda: None
    """Gives back the memory of what was read."""


class BlockTable:
    """A table that is put together where it is looked at, and never as a whole.

    Parameters
    ----------
    blocks : sequence of Block
        Its parts, which cover it.
    dtype : numpy.dtype or torch.dtype
        The type of its numbers.

    Raises
    ------
    ValueError
        If the parts overlap, or leave something out.
    """

    def __init__(self, blocks: Sequence[Block], dtype: Any) -> None:
        self._blocks = tuple(block for block in blocks if 0 not in block.shape)
        rows = max((block.row + block.shape[0] for block in self._blocks), default=0)
        columns = max((block.column + block.shape[1] for block in self._blocks), default=0)
        self.shape, self.dtype = (rows, columns), dtype
        if sum(block.shape[0] * block.shape[1] for block in self._blocks) != rows * columns:
            raise ValueError(f"its parts do not make up a table of {rows} x {columns}")

    def __getitem__(self, key: Any) -> NDArray[Any]:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if isinstance(rows, slice) and rows.step in (None, 1):
            start, stop, _ = rows.indices(self.shape[0])
            return self._rows(start, max(start, stop))[:, columns]
        index = np.arange(self.shape[0])[rows]
        first, last = (int(index.min()), int(index.max()) + 1) if index.size else (0, 0)
        found: NDArray[Any] = self._rows(first, last)[index - first][..., columns]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)

    def release(self) -> None:
        """Give back the memory of its mapped parts."""
        for block in self._blocks:
            block.release()

    def _rows(self, start: int, stop: int) -> NDArray[Any]:
        found: NDArray[Any] | None = None
        for block in self._blocks:
            first, last = max(start, block.row), min(stop, block.row + block.shape[0])
            if first < last:
                part = as_array(block.read()[first - block.row : last - block.row])
                if found is None:
                    found = np.empty((stop - start, self.shape[1]), part.dtype)
                found[first - start : last - start, block.column : block.column + block.shape[1]] = part
        return np.empty((0, self.shape[1])) if found is None else found


def side_by_side(tables: Sequence[Any]) -> Any:
    """Put tables of the same rows side by side; one alone stays as it is."""
    if len(tables) == 1:
        return tables[0]
    columns = np.cumsum([0, *(int(table.shape[1]) for table in tables)])
    return BlockTable(
        [
            Block(
                row=0,
                column=int(column),
                shape=tuple(table.shape),
                read=partial(_itself, table),
                release=partial(release, table),
            )
            for table, column in zip(tables, columns[:-1], strict=True)
        ],
        tables[0].dtype,
    )


def _itself(table: Any) -> Any:
    return table


def as_array(tensor: Any) -> NDArray[Any]:
    """Return a tensor as an array; bfloat16, with which NumPy does not compute, as float32."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        tensor = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    array: NDArray[Any] = np.asarray(tensor)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


class Product:
    """A table that is the product of two factors, multiplied where it is looked at.

    Parameters
    ----------
    left : (D, k) array
        The rows.
    right : (k, K) array
        What maps them.

    Raises
    ------
    ValueError
        If they are no such factors.
    """

    def __init__(self, left: Any, right: Any) -> None:
        if len(left.shape) != 2 or len(right.shape) != 2 or left.shape[1] != right.shape[0]:
            raise ValueError(f"factors of shape {tuple(left.shape)} and {tuple(right.shape)} make no table")
        self._left, self._right = left, as_array(right)
        self.shape, self.dtype = (int(left.shape[0]), int(right.shape[1])), left.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        product: NDArray[Any] = as_array(self._left[rows]) @ self._right[:, columns]
        return product

    def release(self) -> None:
        """Give back the memory of the mapped factors."""
        release(self._left)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype)


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
