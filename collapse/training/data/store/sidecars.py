"""What is kept beside a prepared data set, so that it is not found out anew every time it is opened.

Hidden files that may be missing, old or unwritable: then the work is done again. They tell of the clock, so they
are no part of what the same rows always give.
"""

import io
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.files.atomic import atomic_write
from collapse.files.json_file import read_json
from collapse.files.opening import open_file

CHECKED = ".checked.json"


def is_checked(path: Path, files: Iterable[str], data_hash: str) -> bool:
    """Return whether a data set was checked whole and is still what it was: by size, time and hash.

    Parameters
    ----------
    path : Path
        Its folder.
    files : iterable of str
        The files in it that were checked.
    data_hash : str
        What its manifest says.
    """
    try:
        return bool(read_json(path / CHECKED) == _mark(path, files, data_hash))
    except (CollapseError, OSError):
        return False


def mark_checked(path: Path, files: Iterable[str], data_hash: str) -> None:
    """Note that a data set was checked whole, where its folder can be written to."""
    with suppress(OSError):
        _write(path / CHECKED, json.dumps(_mark(path, files, data_hash)).encode())


def read_row_counts(path: Path, *, seed: int, data_hash: str, shape: tuple[int]) -> NDArray[np.int64] | None:
    """Return the row counts of a split's training rows; None if they are not kept, or of other data.

    Parameters
    ----------
    path : Path
        The data set's folder.
    seed : int
        The split's seed.
    data_hash : str
        The data's hash.
    shape : tuple of int
        (sum D_i,).
    """
    try:
        with open_file(_row_counts(path, seed)) as file, np.load(file, allow_pickle=False) as kept:
            counts: NDArray[np.int64] = kept["counts"]
            same = str(kept["data_hash"]) == data_hash and counts.shape == shape and counts.dtype == np.int64
            return counts if same else None
    except Exception:  # noqa: BLE001, a damaged file may raise anything, and is as good as none
        return None


def keep_row_counts(path: Path, counts: NDArray[np.int64], *, seed: int, data_hash: str) -> None:
    """Keep the row counts of a split's training rows, where the folder can be written to."""
    buffer = io.BytesIO()
    np.savez(buffer, counts=counts, data_hash=np.array(data_hash))
    _write(_row_counts(path, seed), buffer.getvalue())


def _row_counts(path: Path, seed: int) -> Path:
    return path / f".row-counts-{seed}.npz"


def _mark(path: Path, files: Iterable[str], data_hash: str) -> dict[str, Any]:
    stats = {name: (path / name).stat() for name in files}
    return {"data_hash": data_hash, "files": {name: [s.st_size, s.st_mtime_ns] for name, s in stats.items()}}


def _write(path: Path, content: bytes) -> None:
    if os.access(path.parent, os.W_OK):
        with suppress(CollapseError), atomic_write(path) as file:
            file.write(content)
