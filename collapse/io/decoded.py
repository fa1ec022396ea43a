"""Tables whose rows are decoded on demand, and tables unpacked into a temporary file."""

import mmap
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.files.opening import explain_os_errors
from collapse.io.blocks import release


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
    rounding : float
        Largest difference between a stored number and the one it stands for, relative to the largest of its row;
        0 if the stored numbers are exact.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: Any,
        decode: Callable[[int, int], NDArray[Any]],
        source: Any = None,
        *,
        rounding: float = 0.0,
    ) -> None:
        self.shape, self.dtype, self.rounding = shape, np.dtype(dtype), rounding
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
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  it is closed when it is mapped

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
        with self._file as file:
            with explain_os_errors("unpack into a temporary file", self._path):
                file.flush()
            if not self._size:
                raise ValueError("it holds no rows")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, self._dtype).reshape(-1, self.columns)
