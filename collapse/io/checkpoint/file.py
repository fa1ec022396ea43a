"""The checkpoint file: a self-describing `.pt` file that loads without running code.

The file is a plain dictionary of strings, numbers and tensors, so `torch.load(path, weights_only=True)` reads it.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from collapse.files.atomic import atomic_write
from collapse.files.opening import explain_os_errors
from collapse.io.checkpoint.checking import to_checkpoint
from collapse.io.checkpoint.schema import FORMAT, FORMAT_VERSION, Checkpoint
from collapse.io.torch_file import read_torch_file


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint. A failure leaves the old file unchanged.

    Parameters
    ----------
    path : Path
        The file to write. Its folder must exist.
    checkpoint : Checkpoint
        The checkpoint.

    Raises
    ------
    CollapseError
        If the file cannot be written.
    """
    content = {item.name: getattr(checkpoint, item.name) for item in fields(checkpoint)}
    content |= {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "layout": asdict(checkpoint.layout),
    }
    import torch

    with explain_os_errors("write", path), atomic_write(path) as file:
        try:
            torch.save(_canonical(content), file)
        except RuntimeError as error:
            # torch's archive writer reports a full disk as an error of its own, with the cause attached.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path, *, arrays: bool = False, verify: bool = True) -> Checkpoint:
    """Read a checkpoint. Its tensors are mapped from the file, not copied.

    Parameters
    ----------
    path : Path
        A file that `save_checkpoint` wrote.
    arrays : bool
        Return tensors as NumPy arrays, without importing torch, which is slow.
    verify : bool
        Compare the bytes that are read with the archive's checksums.

    Returns
    -------
    Checkpoint
        The content, on the CPU.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, not a checkpoint of this project, of a later format, or cannot be read
        without running code.
    """
    return to_checkpoint(read_torch_file(path, verify=verify), path, arrays=arrays)


def _canonical(value: Any) -> Any:
    """Rebuild containers and share equal strings, so that equal contents give equal bytes.

    Tensors move to the CPU, so that a plain ``torch.load`` can read a checkpoint from a GPU.
    """
    import torch

    if isinstance(value, str):
        return sys.intern(str(value))
    if isinstance(value, torch.Tensor):
        return value.cpu()
    if isinstance(value, Mapping):
        return {_canonical(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_canonical(item) for item in value)
    return value
