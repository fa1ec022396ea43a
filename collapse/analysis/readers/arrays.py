"""Plain files of tables: a ``.npy``, ``.npz`` or ``.safetensors``, in which every matrix is a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from collapse.checkpoint import FLOATS, dtype_of
from collapse.errors import CollapseError, first_line
from collapse.files import check_is_file
from collapse.tables import EmbeddingTable, TableSet
from collapse.visible import path_text

SUFFIXES = (".npy", ".npz", ".safetensors")


def read_arrays(path: Path) -> TableSet:
    """Read every matrix of a file as the embedding table of a field, named as the matrix is.

    Parameters
    ----------
    path : Path
        The file; nothing in it is run. A ``.npy`` is one table, named as the file, and stays on disk.

    Returns
    -------
    TableSet
        The tables, and what was skipped with the reason.

    Raises
    ------
    CollapseError
        If the file cannot be read, or no matrix of floating numbers is in it.
    """
    check_is_file(path)
    tables, skipped = [], []
    try:
        for name, array in _arrays(path):
            if (reason := _no_table(array)) is None:
                tables.append(EmbeddingTable(field=name, E=array, sizes=(int(array.shape[1]),)))
            else:
                skipped.append(f"{name} ({reason})")
    except Exception as error:  # a damaged file may raise anything
        raise CollapseError(f"{path} is no whole {path.suffix} file: {first_line(error)}") from error
    if not tables:
        told = f": {', '.join(skipped[:5])}" if skipped else ""
        raise CollapseError(f"{path} holds no table, which is a matrix of floating numbers{told}")
    return TableSet(
        name=path_text(Path(path.stem)),
        source=path_text(path),
        tables=tuple(tables),
        description={"tables": str(len(tables))},
        skipped=tuple(skipped),
    )


def _arrays(path: Path) -> Iterator[tuple[str, Any]]:
    if path.suffix == ".npy":
        yield path_text(Path(path.stem)), np.lib.format.open_memmap(path, mode="r")
    elif path.suffix == ".npz":
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            for name in archive.files:
                yield name, archive[name]
    else:
        # As torch's tensors, since NumPy has no bfloat16.
        with safetensors.safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118, it is no mapping
                yield name, tensors.get_tensor(name)


def _no_table(array: Any) -> str | None:
    """Say why an array is no table; None if it is one."""
    shape = tuple(array.shape)
    if len(shape) != 2:
        return f"of {len(shape)} dimension{'s' * (len(shape) != 1)}"
    if (dtype := dtype_of(array)) not in FLOATS:
        return dtype
    return None if min(shape) > 0 else f"of shape {shape[0]} x {shape[1]}"
