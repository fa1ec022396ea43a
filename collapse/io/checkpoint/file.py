"""The checkpoint's file: one `.pt` that loads without running code and says everything about itself.

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
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    checkpoint : Checkpoint
        What to write.

    Raises
    ------
    CollapseError
        If the file cannot be written; what it held before is kept.
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
            # torch's archive writer reports a full disk as its own failure, with the cause behind it.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path, *, arrays: bool = False, verify: bool = True) -> Checkpoint:
    """Read a checkpoint, its tensors mapped from the file and not copied.

    Parameters
    ----------
    path : Path
        A file that `save_checkpoint` wrote.
    arrays : bool
        Whether tensors come as NumPy's arrays, for which torch, slow to start, need not be loaded.
    verify : bool
        Whether the bytes of what is read are compared with the archive's checksums.

    Returns
    -------
    Checkpoint
        Its content, on the CPU.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, not a checkpoint of this project, of a later format, or would have to
        run code to be read.
    """
    return to_checkpoint(read_torch_file(path, verify=verify), path, arrays=arrays)


def _canonical(value: Any) -> Any:
    """Rebuild containers and share equal strings, so that equal contents give equal bytes; tensors on the CPU.

    A plain ``torch.load`` then reads what a GPU made.
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
