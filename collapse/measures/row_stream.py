"""Tables of any origin, read as float64 chunks of rows.

Shapes: D rows of a table (cardinality), K columns.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ENTRIES = 2**15, 2**17
"""Smallest and largest number of entries in a chunk. Below 256 kB of float64, calls cost more than products; 1 MB
fits into the second-level cache of a core."""
_CHUNKS = 110
"""Target number of chunks between these limits, so that float64 chunks take less than 1 % of the table's
memory."""


class RowStream:
    """The rows of a table in chunks.

    Parameters
    ----------
    E : (D, K) array
        Any floating object with a ``shape`` whose rows can be sliced: a NumPy array, a memory-mapped file, a torch
        tensor on any device, or a class of your own over shards.
    weights : (D,) array, optional
        Non-negative weights of the rows, which make the Gram matrix sum_d w_d e_d e_d^T. Booleans select rows;
        counts weight rows by their frequency.
    first_row : int
        Number of the first row, if the rows are part of a larger table.

    Raises
    ------
    ValueError
        If `E` is not a matrix of numbers, or the weights have the wrong shape, are negative or are all zero.
    """

    def __init__(self, E: Any, weights: NDArray[Any] | None = None, *, first_row: int = 0) -> None:
        E = as_table(E)
        if len(E.shape) != 2 or 0 in E.shape:
            raise ValueError(
                f"a table must have two dimensions and at least one row and column, got shape {tuple(E.shape)}"
            )
        if not _is_floating(E[:1]):
            raise ValueError(f"a table must hold floating-point numbers, got {E[:1].dtype}")
        self.E = E
        self.shape: tuple[int, int] = (int(E.shape[0]), int(E.shape[1]))
        self.weights = None if weights is None else self._checked(weights)
        self.chooses = weights is not None and np.asarray(weights).dtype == bool
        """Whether the weights select rows; the others are left out of the chunks."""
        self._first_row = first_row
        self.scale = 1.0
        """Power of two that every chunk is divided by."""

    def _checked(self, weights: NDArray[Any]) -> NDArray[np.float64]:
        weights = np.asarray(weights, dtype=np.float64)
        if weights.shape != self.shape[:1]:
            raise ValueError(
                f"the weights of a table of {self.shape[0]} rows must have shape ({self.shape[0]},), got "
                f"{weights.shape}"
            )
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ValueError("weights must be finite and not negative, and one of them positive")
        return weights

    @property
    def rank_bound(self) -> int:
        """Largest possible number of non-zero singular values."""
        D, K = self.shape
        return min(D if self.weights is None else int(np.count_nonzero(self.weights)), K)

    @property
    def rows_per_chunk(self) -> int:
        """Rows of a chunk, which fits into a cache and is small compared with a long table."""
        D, K = self.shape
        return max(1, min(K, D // _CHUNKS), int(np.clip(D * K // _CHUNKS, *_ENTRIES)) // K)

    @property
    def starts(self) -> range:
        """First row of every chunk."""
        return range(0, self.shape[0], self.rows_per_chunk)

    def chunk(self, start: int, rows: int | None = None) -> Any:
        """Return rows as float64, multiplied by the roots of their weights and divided by the scale.

        Parameters
        ----------
        start : int
            First row.
        rows : int, optional
            Number of rows. The default is one chunk.

        Returns
        -------
        (rows, K) array
            A C-contiguous copy, of NumPy, or of torch if the table is on a device. It has fewer rows if the
            weights select rows.
        """
        stop = start + (self.rows_per_chunk if rows is None else rows)
        chunk = self.E[start:stop]
        if self.chooses and self.weights is not None:
            chunk = chunk[np.flatnonzero(self.weights[start:stop])]
        if hasattr(chunk, "detach"):
            chunk = chunk.detach().double().contiguous()
            chunk = chunk.numpy() if chunk.device.type == "cpu" else chunk
        else:
            # A signalling NaN, which a damaged file may hold, would warn here; `check` names its row.
            with np.errstate(invalid="ignore"):
                chunk = np.asarray(chunk).astype(np.float64, order="C")
        if self.scale != 1:
            chunk = chunk / self.scale
        if self.weights is None or self.chooses:
            return chunk
        roots = np.sqrt(self.weights[start:stop])[:, None]
        return chunk * (roots if isinstance(chunk, np.ndarray) else chunk.new_tensor(roots))

    def weighted(self, chunk: NDArray[np.float64], start: int) -> NDArray[np.float64]:
        """Return what `chunk` returns for rows that were read without weights, if the scale is 1."""
        if self.weights is None:
            return chunk
        weights = self.weights[start : start + len(chunk)]
        return chunk[weights > 0] if self.chooses else chunk * np.sqrt(weights)[:, None]

    def array(self, start: int) -> NDArray[np.float64]:
        """Return a chunk as a NumPy array of checked numbers.

        Raises
        ------
        ValueError
            If a row holds NaN or infinity. The message has the number of the row.
        """
        array = in_memory(self.chunk(start))
        self.check(array, start)
        return array

    def check(self, array: NDArray[np.float64], start: int) -> None:
        """Refuse a chunk that holds NaN or infinity.

        Parameters
        ----------
        array : (rows, K) array
            The chunk.
        start : int
            Its first row.

        Raises
        ------
        ValueError
            If a row holds NaN or infinity. The message has the number of the row.
        """
        # The sum is finite if all terms are, unless it overflows. It is cheaper to test first.
        with np.errstate(all="ignore"):
            finite = np.isfinite(array.sum())
        if not finite and not np.isfinite(array).all():
            number = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
            raise ValueError(f"row {self.number(start, number)} holds NaN or infinity")

    def number(self, start: int, place: int) -> int:
        """Return the number in the whole table of a row at a place in a chunk."""
        if self.chooses and self.weights is not None:
            place = int(np.flatnonzero(self.weights[start:])[place])
        return self._first_row + start + place

    def largest(self) -> float:
        """Return the largest absolute entry, after checking all entries."""
        return max(float(np.abs(chunk).max(initial=0)) for chunk in self.arrays())

    def arrays(self) -> Iterator[NDArray[np.float64]]:
        """Yield all chunks, as `array` returns them."""
        return map(self.array, self.starts)


def as_table(E: Any) -> Any:
    """Return objects with a shape unchanged, and lists of rows or data frames as arrays.

    Raises
    ------
    ValueError
        If the object is neither, or is an array that cannot be read (`unreadable_kind`).
    """
    if (kind := unreadable_kind(E)) is not None:
        raise ValueError(f"a table must be a matrix of numbers, got {kind}")
    E = unwrapped(E)
    if not hasattr(E, "shape") and not isinstance(E, list | tuple):
        raise ValueError(f"a table must be a matrix of numbers, got {type(E).__name__}")
    return E if hasattr(E, "shape") else np.asarray(E)


def unwrapped(value: Any) -> Any:
    """Return the array of a data frame, or of a masked array without masked entries; other objects unchanged."""
    value = value.to_numpy() if hasattr(value, "to_numpy") else value
    return value.data if isinstance(value, np.ma.MaskedArray) else value


def unreadable_kind(value: Any) -> str | None:
    """Describe an array that cannot be read, and what to pass instead.

    Parameters
    ----------
    value : object
        Any object.

    Returns
    -------
    str or None
        For example ``a sparse matrix: pass E.toarray()``; None for other objects.
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        return "an array with masked entries: fill them first, for example with E.filled(0)"
    if type(value).__module__.startswith("scipy.sparse"):
        return "a sparse matrix: pass E.toarray()"
    if not hasattr(value, "detach"):
        return None
    kinds = {
        "is_nested": "a nested tensor",
        "is_meta": "a tensor on the meta device, which has no numbers",
        "is_quantized": "a quantised tensor: pass E.dequantize()",
    }
    found = next((kind for name, kind in kinds.items() if getattr(value, name, False)), None)
    if found is None and str(getattr(value, "layout", "torch.strided")) != "torch.strided":
        return "a sparse tensor: pass E.to_dense()"
    return found


def in_memory(chunk: Any) -> NDArray[np.float64]:
    """Return a chunk, or something made of chunks, as a NumPy array from any device."""
    array: NDArray[np.float64] = chunk if isinstance(chunk, np.ndarray) else chunk.cpu().numpy()
    return array


def _is_floating(rows: Any) -> bool:
    if hasattr(rows, "detach"):
        return bool(rows.is_floating_point())
    dtype = np.asarray(rows).dtype
    # bfloat16 is not a NumPy type; ml_dtypes adds it.
    return np.issubdtype(dtype, np.floating) or dtype.name == "bfloat16"
