"""Tables whose rows are read on demand: concatenated sets, shards, products and mapped files."""

import mmap
from bisect import bisect_left as bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.measures.precision import machine_epsilon, precision, smallest_spacing


@dataclass(frozen=True, kw_only=True)
class Block:
    """One part of a table."""

    row: int
    """First row of the part."""
    column: int
    """First column of the part."""
    shape: tuple[int, int]
    """Shape of the part."""
    read: Callable[[], Any]
    """Returns the numbers, an array or a tensor that is usually mapped from a file."""
    release: Callable[[], None] = lambda: None
    """Frees the memory of what was read."""
    precision: tuple[float, float] | None = None
    """Machine epsilon and smallest spacing of the numbers, if they are not those of the table's type."""

    @classmethod
    def of(cls, table: Any, *, row: int = 0, column: int = 0) -> "Block":
        """Return a whole table as a part of another, from this row and column on."""
        return cls(
            row=row,
            column=column,
            shape=(int(table.shape[0]), int(table.shape[1])),
            read=partial(_itself, table),
            release=partial(release, table),
            precision=precision(table),
        )


class BlockTable:
    """A table that is put together on demand, and never as a whole.

    Parameters
    ----------
    blocks : sequence of Block
        The parts, which must cover the table.
    dtype : numpy.dtype or torch.dtype
        Type of the numbers.

    Raises
    ------
    ValueError
        If the parts overlap or leave gaps.
    """

    def __init__(self, blocks: Sequence[Block], dtype: Any) -> None:
        self._blocks = tuple(block for block in blocks if 0 not in block.shape)
        rows = max((block.row + block.shape[0] for block in self._blocks), default=0)
        columns = max((block.column + block.shape[1] for block in self._blocks), default=0)
        self.shape, self.dtype = (rows, columns), dtype
        known = [block.precision for block in self._blocks if block.precision is not None]
        self.eps = max((eps for eps, _ in known), default=machine_epsilon(dtype))
        self.spacing = max((spacing for _, spacing in known), default=smallest_spacing(dtype))
        if not _cover(self._blocks, rows, columns):
            raise ValueError(f"its parts do not cover a table of {rows} x {columns}")

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
        """Free the memory of the mapped parts."""
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


def stacked(tables: Sequence[Any]) -> Any:
    """Concatenate tables with the same columns along their rows; a single table is returned unchanged."""
    if len(tables) == 1:
        return tables[0]
    rows = np.cumsum([0, *(int(table.shape[0]) for table in tables)])
    return BlockTable(
        [Block.of(table, row=int(row)) for table, row in zip(tables, rows[:-1], strict=True)], tables[0].dtype
    )


def _cover(blocks: Sequence[Block], rows: int, columns: int) -> bool:
    """Return whether the parts cover every entry once: their area is the table's, and none overlap."""
    if sum(block.shape[0] * block.shape[1] for block in blocks) != rows * columns:
        return False
    open_: list[tuple[int, int, int]] = []  # first column, end of the columns, end of the rows
    for block in sorted(blocks, key=lambda block: block.row):
        open_ = [part for part in open_ if part[2] > block.row]
        end = block.column + block.shape[1]
        at = bisect(open_, (block.column,))
        if (at > 0 and open_[at - 1][1] > block.column) or (at < len(open_) and open_[at][0] < end):
            return False
        open_.insert(at, (block.column, end, block.row + block.shape[0]))
    return True


def side_by_side(tables: Sequence[Any]) -> Any:
    """Concatenate tables with the same rows along their columns; a single table is returned unchanged."""
    if len(tables) == 1:
        return tables[0]
    columns = np.cumsum([0, *(int(table.shape[1]) for table in tables)])
    return BlockTable(
        [Block.of(table, column=int(column)) for table, column in zip(tables, columns[:-1], strict=True)],
        tables[0].dtype,
    )


def _itself(table: Any) -> Any:
    return table


def as_array(tensor: Any) -> NDArray[Any]:
    """Return a tensor as an array. bfloat16, which NumPy cannot compute with, becomes float32."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        tensor = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    array: NDArray[Any] = np.asarray(tensor)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


class Product:
    """A table that is the product of two factors and is multiplied on demand.

    Parameters
    ----------
    left : (D, k) array
        Left factor.
    right : (k, K) array
        Right factor.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """

    def __init__(self, left: Any, right: Any) -> None:
        if len(left.shape) != 2 or len(right.shape) != 2 or left.shape[1] != right.shape[0]:
            raise ValueError(f"factors of shape {tuple(left.shape)} and {tuple(right.shape)} cannot be multiplied")
        self._left, self._right = left, as_array(right)
        self.shape, self.dtype = (int(left.shape[0]), int(right.shape[1])), left.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        product: NDArray[Any] = as_array(self._left[rows]) @ self._right[:, columns]
        return product

    def release(self) -> None:
        """Free the memory of the mapped factors."""
        release(self._left)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype)


class Window:
    """A mapped table of which a window stays in memory: what was read is released, and what follows is read ahead.

    Parameters
    ----------
    table : (D, K) array
        The table, mapped from a file (`is_mapped`).
    """

    def __init__(self, table: Any) -> None:
        self._table, self._held = table, 0
        self.shape, self.dtype = (int(table.shape[0]), int(table.shape[1])), table.dtype
        self.eps, self.spacing = precision(table)
        self._mapping = _mapping(table)
        self._first = 0
        if self._mapping is not None:
            self._first = table.ctypes.data - np.frombuffer(self._mapping, np.uint8).ctypes.data
            self._ahead(0)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        # A copy, because the pages behind a view would be read twice.
        found = np.array(self._table[key])
        before, self._held = self._held, self._held + found.nbytes
        if before // _AHEAD != self._held // _AHEAD and isinstance(key, slice) and self._mapping is not None:
            self._ahead((key.stop or 0) * self._table.strides[0])
        if self._held >= _WINDOW:
            self._held = 0
            release(self._table)
        return found

    def _ahead(self, offset: int) -> None:
        """Ask the system to read what follows an offset while rows are being multiplied."""
        page = mmap.PAGESIZE
        start = (self._first + offset) // page * page
        if self._mapping is not None and hasattr(mmap, "MADV_WILLNEED") and start < len(self._mapping):
            self._mapping.madvise(mmap.MADV_WILLNEED, start, min(2 * _AHEAD, len(self._mapping) - start))


_WINDOW = 1 << 27
"""Bytes of mapped rows that stay in memory."""
_AHEAD = 1 << 25
"""Bytes after which what follows is asked for."""


def is_mapped(table: Any) -> bool:
    """Return whether the rows of a table are read from a file on demand."""
    return hasattr(table, "release") or _mapping(table) is not None


def release(table: Any) -> None:
    """Free the memory of a table's rows, which are read from the file again if needed.

    This does nothing for a table in memory, or on a system without support (Windows).

    Parameters
    ----------
    table : (D, K) array
        The table. If it has a method ``release``, the method is called.
    """
    if hasattr(table, "release"):
        table.release()
    elif (mapping := _mapping(table)) is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def _mapping(array: Any) -> mmap.mmap | None:
    """Return the file mapping that an array is a view of."""
    while isinstance(array, np.ndarray | memoryview):
        array = array.base if isinstance(array, np.ndarray) else array.obj
    return array if isinstance(array, mmap.mmap) else None
