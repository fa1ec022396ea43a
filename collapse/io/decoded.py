"""Tables whose rows are decoded on demand, and tables unpacked into a temporary file."""

import mmap
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from collapse.files.opening import explain_os_errors
from collapse.io.blocks import release
from collapse.measures.precision import machine_epsilon, smallest_spacing


class DecodedTable:
    """A table whose rows are computed from stored bytes when they are read, and never as a whole.

    Parameters
    ----------
    shape : (D, K)
        Its shape.
    dtype : numpy.dtype
        Type of the decoded numbers.
    decode : callable
        Returns the rows from one number up to another, as an array.
    source : array, optional
        The mapped bytes, whose memory can be freed.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: Any,
        decode: Callable[[int, int], NDArray[Any]],
        source: Any = None,
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.eps, self.spacing = machine_epsilon(self.dtype), smallest_spacing(self.dtype)
        """Machine epsilon and smallest spacing of the stored numbers, as for `rounding_noise`."""
        self._decode, self._source = decode, source

    def __getitem__(self, key: Any) -> NDArray[Any]:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if isinstance(rows, slice) and rows.step in (None, 1):
            start, stop, _ = rows.indices(self.shape[0])
            return self._decode(start, max(start, stop))[:, columns]
        index = np.arange(self.shape[0])[rows]
        first, last = (int(index.min()), int(index.max()) + 1) if index.size else (0, 0)
        found: NDArray[Any] = self._decode(first, last)[index - first][..., columns]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)

    def release(self) -> None:
        """Free the memory of the mapped bytes."""
        if self._source is not None:
            release(self._source)


def quantised(
    codes: Any, scales: NDArray[Any], zeros: NDArray[Any], biases: NDArray[Any] | None = None
) -> DecodedTable:
    """Return the table (q - zeros_d) scales_d + biases_d, with a scale, zero point and bias per row.

    Parameters
    ----------
    codes : (D, K) array of integers
        The numbers q.
    scales, zeros, biases : (D,) or (1,) array
        Scale, zero point and bias of each row, or of all rows.

    Returns
    -------
    DecodedTable
        Of type float32. The rounding error of an entry is uniform within half its row's scale.
    """
    D, K = codes.shape
    scale, zero, bias = (
        np.broadcast_to(values.reshape(-1), (D,))
        for values in (scales, zeros, np.zeros(1) if biases is None else biases)
    )

    def decode(first: int, last: int) -> NDArray[np.float32]:
        rows = slice(first, last)
        # Products of codes and scales are exact in float64: there is one rounding, as in a fused kernel.
        shifted = (codes[rows] - zero[rows, None]).astype(np.float32).astype(np.float64)
        exact: NDArray[np.float64] = shifted * scale[rows, None] + bias[rows, None]
        return exact.astype(np.float32)

    table = DecodedTable((D, K), np.float32, decode, codes)
    table.eps, table.spacing = 0.0, float(np.sqrt(np.mean(np.square(scales, dtype=np.float64))))
    return table


class Unpacked:
    """Rows that are written into a temporary file, and mapped when they are complete.

    The file is deleted when the array is no longer used. It is in the folder that ``TMPDIR`` names.

    Parameters
    ----------
    path : Path
        What the rows are from, for the message if the disk is full.
    dtype : numpy.dtype
        Type of the numbers.
    columns : int
        Number of columns K.
    most : int, optional
        Most bytes that may be written.
    """

    def __init__(self, path: Path, dtype: Any, columns: int, *, most: int | None = None) -> None:
        self.columns = columns
        self._path, self._dtype, self._most, self._size = path, np.dtype(dtype), most, 0
        with explain_os_errors("unpack into a temporary file", path):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  it is closed with the block

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, block: NDArray[Any]) -> None:
        """Append rows.

        Raises
        ------
        ValueError
            If there are more than the file may hold.
        CollapseError
            If the file cannot be written.
        """
        content = np.ascontiguousarray(block, self._dtype)
        self._size += content.nbytes
        if self._most is not None and self._size > self._most:
            raise ValueError(f"it unpacks to more than {self._most:,} bytes")
        with explain_os_errors("unpack into a temporary file", self._path):
            self._file.write(content.data)

    def array(self) -> NDArray[Any]:
        """Return the rows as one mapped array of shape (D, K).

        Raises
        ------
        ValueError
            If there are none.
        """
        with explain_os_errors("unpack into a temporary file", self._path):
            self._file.flush()
        if not self._size:
            raise ValueError("it holds no rows")
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, self._dtype).reshape(-1, self.columns)
