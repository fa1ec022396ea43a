"""Files of arrays without any pickle: ``.npy``, ``.npz`` and ``.safetensors``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from collapse.analysis.readers.state import State
from collapse.errors import CollapseError, first_line
from collapse.files import check_is_file
from collapse.visible import path_text

SUFFIXES = (".npy", ".npz", ".safetensors")


def read_arrays(path: Path) -> State:
    """Read every array of a file.

    Parameters
    ----------
    path : Path
        The file; nothing in it is run. A ``.npy`` is one array, named as the file, and stays on disk.

    Returns
    -------
    State
        The arrays by name.

    Raises
    ------
    CollapseError
        If the file cannot be read.
    """
    check_is_file(path)
    try:
        return State(tensors=dict(_arrays(path)))
    except Exception as error:  # a damaged file may raise anything
        raise CollapseError(f"{path} is no whole {path.suffix} file: {first_line(error)}") from error


def is_plain(state: State) -> bool:
    """Tell whether arrays are tables and nothing else: no name is that of a model's parameter."""
    return not any(name.endswith((".weight", ".bias")) for name in state.tensors)


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
