"""Tables of any origin, as float64 chunks of their rows.

Shapes: D rows of a table (cardinality), K columns.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ENTRIES = 2**15, 2**17
"""Least and most entries of a chunk: of float64 256 kB, below which calls cost more than products, and 1 MB, which
a core's second cache holds."""
_CHUNKS = 110
"""Chunks of a table between these sizes: then chunks in float64 take less than 1 % of the table's memory."""


class RowStream:
    """The rows of a table, a chunk at a time.

    Parameters
    ----------
    E : (D, K) array
        Anything that has a ``shape`` and gives its rows by slices: a NumPy array or a memory-mapped file, a torch
        tensor on any device, shards behind a class of your own. Floating.
    weights : (D,) array, optional
        Weights of the rows, from 0: the Gram matrix becomes sum_d w_d e_d e_d^T. Booleans choose rows, and counts
        weight them by frequency.
    first_row : int
        The number of the first row, where these are a part of a table.

    Raises
    ------
    ValueError
        If `E` is no matrix of numbers, or the weights do not fit it, are negative or all zero.
    """

    def __init__(self, E: Any, weights: NDArray[Any] | None = None, *, first_row: int = 0) -> None:
        E = as_table(E)
        if len(E.shape) != 2 or 0 in E.shape:
            raise ValueError(f"a table has rows and columns, and this has shape {tuple(E.shape)}")
        if not _is_floating(E[:1]):
            raise ValueError(f"a table holds floating-point numbers, and this holds {E[:1].dtype}")
        self.E = E
        self.shape: tuple[int, int] = (int(E.shape[0]), int(E.shape[1]))
        self.weights = None if weights is None else self._checked(weights)
        self.chooses = weights is not None and np.asarray(weights).dtype == bool
        """Whether the weights are a choice of rows: those that do not enter are left out of the chunks."""
        self._first_row = first_row
        self.scale = 1.0
        """What every chunk is divided by, a power of two."""

    def _checked(self, weights: NDArray[Any]) -> NDArray[np.float64]:
        weights = np.asarray(weights, dtype=np.float64)
        if weights.shape != self.shape[:1]:
            raise ValueError(f"a table of {self.shape[0]} rows cannot have weights of shape {weights.shape}")
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ValueError("weights of rows are finite, from 0, and not all 0")
        return weights

    @property
    def rank_bound(self) -> int:
        """The most singular values that can differ from zero."""
        D, K = self.shape
        return min(D if self.weights is None else int(np.count_nonzero(self.weights)), K)

    @property
    def rows_per_chunk(self) -> int:
        """A chunk that stays in a core's cache and is small beside a long table, but not shorter than wide."""
        D, K = self.shape
        return max(1, min(K, D // _CHUNKS), int(np.clip(D * K // _CHUNKS, *_ENTRIES)) // K)

    @property
    def starts(self) -> range:
        """The first row of every chunk."""
        return range(0, self.shape[0], self.rows_per_chunk)

    def chunk(self, start: int, rows: int | None = None) -> Any:
        """Return rows as float64, times the roots of their weights, over the scale.

        Parameters
        ----------
        start : int
            The first row.
        rows : int, optional
            How many; by default a chunk.

        Returns
        -------
        (rows, K) array
            C-contiguous, a copy: NumPy's; torch's if the table lies on a device. Fewer rows where some are chosen.
        """
        stop = start + (self.rows_per_chunk if rows is None else rows)
        chunk = self.E[start:stop]
        weights: Any = None if self.weights is None else self.weights[start:stop]
        if self.chooses:
            chunk = chunk[np.flatnonzero(weights)]
        if hasattr(chunk, "detach"):
            chunk = chunk.detach().double().contiguous()
            chunk = chunk.numpy() if chunk.device.type == "cpu" else chunk
        else:
            chunk = np.asarray(chunk).astype(np.float64, order="C")
        if self.scale != 1:
            chunk = chunk / self.scale
        if weights is None or self.chooses:
            return chunk
        roots = np.sqrt(weights)[:, None]
        return chunk * (roots if isinstance(chunk, np.ndarray) else chunk.new_tensor(roots))

    def array(self, start: int) -> NDArray[np.float64]:
        """Return a chunk as NumPy's, its numbers checked.

        Raises
        ------
        ValueError
            If a row holds NaN or infinity; the message names it.
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
            If it does; the message names the row.
        """
        # A sum is finite where all terms are, unless it overflows: cheaper to look at first.
        with np.errstate(all="ignore"):
            finite = np.isfinite(array.sum())
        if not finite and not np.isfinite(array).all():
            number = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
            if self.chooses and self.weights is not None:
                number = int(np.flatnonzero(self.weights[start:])[number])
            raise ValueError(f"row {self._first_row + start + number} holds NaN or infinity")

    def largest(self) -> float:
        """Return the largest entry by size, once all are checked."""
        return max(float(np.abs(chunk).max(initial=0)) for chunk in self.arrays())

    def arrays(self) -> Iterator[NDArray[np.float64]]:
        """Yield all chunks by `array`."""
        return map(self.array, self.starts)


def as_table(E: Any) -> Any:
    """Return what has a shape as it is, and rows in lists or a data frame as an array.

    Raises
    ------
    ValueError
        If it is nothing of that, or an array whose numbers cannot be taken as they are (`unreadable_kind`).
    """
    if (kind := unreadable_kind(E)) is not None:
        raise ValueError(f"a table is a matrix of numbers, not {kind}")
    E = unwrapped(E)
    if not hasattr(E, "shape") and not isinstance(E, list | tuple):
        raise ValueError(f"a table is a matrix of numbers, not {type(E).__name__}")
    return E if hasattr(E, "shape") else np.asarray(E)


def unwrapped(value: Any) -> Any:
    """Return the array in a data frame, or in a masked array without masked entries; anything else as it is."""
    value = value.to_numpy() if hasattr(value, "to_numpy") else value
    return value.data if isinstance(value, np.ma.MaskedArray) else value


def unreadable_kind(value: Any) -> str | None:
    """Say what an array is whose numbers cannot be taken as they are, and what to pass instead.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    str or None
        Such as ``a sparse matrix: pass E.toarray()``; None for all else.
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        return "an array with masked entries: fill them first, such as by E.filled(0)"
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
    """Return a chunk, or what was made of chunks, as NumPy's, from whatever device."""
    array: NDArray[np.float64] = chunk if isinstance(chunk, np.ndarray) else chunk.cpu().numpy()
    return array


def _is_floating(rows: Any) -> bool:
    if hasattr(rows, "detach"):
        return bool(rows.is_floating_point())
    dtype = np.asarray(rows).dtype
    # NumPy does not count bfloat16, which ml_dtypes adds to it.
    return np.issubdtype(dtype, np.floating) or dtype.name == "bfloat16"
