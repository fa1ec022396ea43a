"""Hidden files next to a prepared data set that save work when it is opened again.

They may be missing, outdated or impossible to write; the work is then repeated. They contain times, so they are
not part of the reproducible data set.
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
    """Return whether a data set was completely checked and has not changed since, by size, time and hash."""
    try:
        return bool(read_json(path / CHECKED) == _mark(path, files, data_hash))
    except (CollapseError, OSError):
        return False


def mark_checked(path: Path, files: Iterable[str], data_hash: str) -> None:
    """Record that a data set was completely checked, if its folder is writable."""
    with suppress(OSError):
        _write(path / CHECKED, json.dumps(_mark(path, files, data_hash)).encode())


def read_row_counts(path: Path, *, seed: int, data_hash: str, shape: tuple[int]) -> NDArray[np.int64] | None:
    """Return stored row counts of a split's training rows; None if there are none, or they are for other data.

    Parameters
    ----------
    path : Path
        Folder of the data set.
    seed : int
        Seed of the split.
    data_hash : str
        Hash of the data.
    shape : tuple of int
        (sum D_i,).
    """
    try:
        with open_file(_row_counts(path, seed)) as file, np.load(file, allow_pickle=False) as kept:
            counts: NDArray[np.int64] = kept["counts"]
            same = str(kept["data_hash"]) == data_hash and counts.shape == shape and counts.dtype == np.int64
            return counts if same else None
    except Exception:  # noqa: BLE001, a damaged file may raise anything, and is ignored
        return None


def keep_row_counts(path: Path, counts: NDArray[np.int64], *, seed: int, data_hash: str) -> None:
    """Store the row counts of a split's training rows, if the folder is writable."""
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
