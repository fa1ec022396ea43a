"""An array on disk that grows while rows come in."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class GrowingArray:
    """A .npy file that rows are appended to and whose header is put right at the end."""

    def __init__(self, path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
        self.rows = 0
        self._path = path
        self._dtype = np.dtype(dtype)
        self._shape = shape
        with path.open("wb") as file:
            self._write_header(file)

    def append(self, values: ArrayLike) -> None:
        """Write rows behind those that are there."""
        array = np.ascontiguousarray(values, dtype=self._dtype)
        with self._path.open("ab") as file:
            file.write(array.data)
        self.rows += len(array)

    def finished(self) -> "np.memmap[Any, np.dtype[Any]]":
        """Put the header right and return the array, mapped and writable."""
        with self._path.open("r+b") as file:
            self._write_header(file)
        return np.lib.format.open_memmap(self._path, mode="r+")

    def _write_header(self, file: Any) -> None:
        # NumPy pads headers so that the length of the first axis can grow in place.
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.rows, *self._shape)}
        np.lib.format.write_array_header_1_0(file, header)
