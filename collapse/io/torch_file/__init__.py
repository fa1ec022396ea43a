"""Torch's file formats read without torch: plain values, and tensors as arrays that are mapped from the file.

Such a file is a zip archive of uncompressed records, or, before torch 1.6, one pickle after the other. In either,
a pickle holds everything, each tensor in it as a storage's number, an offset, a shape and strides, and the bytes
of every storage lie beside it. The pickle may name the few functions that rebuild a tensor and an ordered
dictionary; any other name is refused, or stands for something inert, so nothing in the file is ever run.
"""

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError, first_line
from collapse.files.opening import open_file
from collapse.io.torch_file.archive import ChecksumError, Records, ZipRecords
from collapse.io.torch_file.legacy import LEGACY, LegacyRecords
from collapse.io.torch_file.names import Unreadable
from collapse.io.torch_file.stubs import Stub
from collapse.io.torch_file.unpickler import Unpickler

__all__ = [
    "Stub",
    "Unreadable",
    "as_tensors",
    "read_foreign_bytes",
    "read_foreign_file",
    "read_torch_file",
    "refuse_foreign",
]

_ZIP = b"PK\x03\x04"


def read_torch_file(path: Path, *, verify: bool = True) -> Any:
    """Read what ``torch.save`` wrote.

    Parameters
    ----------
    path : Path
        The file.
    verify : bool
        Compare the archive's checksum of each record that is read with its bytes, which reads all of them.

    Returns
    -------
    Any
        Its content. Tensors are arrays that are mapped from the file, which stays as it is when they are written
        to; those of bfloat16 have the type of ml_dtypes; those that are sparse, quantised, complex, without a
        storage or of eight bits are `Unreadable`.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, no such file, or would have to run code to be read.
    """
    content, foreign = read_foreign_file(path, verify=verify)
    refuse_foreign(path, foreign)
    return content


def refuse_foreign(path: Path, foreign: tuple[str, ...]) -> None:
    """Refuse a file that names classes, where there is no place for any.

    Raises
    ------
    CollapseError
        If there are such names.
    """
    if foreign:
        raise CollapseError(
            f"{path} was refused: it holds objects whose code would have to run to read it ({foreign[0]}); "
            "ask for a file with the state dict alone"
        )


def read_foreign_file(path: Path, *, verify: bool = True) -> tuple[Any, tuple[str, ...]]:
    """Read what ``torch.save`` wrote, whatever classes it names.

    Parameters
    ----------
    path : Path
        The file.
    verify : bool
        Compare the archive's checksum of each record that is read with its bytes, which reads all of them.

    Returns
    -------
    content : Any
        As from `read_torch_file`, with a `Stub` in place of every object whose class is not known.
    foreign : tuple of str
        The names of those classes and functions, none of which was looked up or called.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, or no such file.
    """
    if path.is_dir():
        raise CollapseError(f"{path} is a folder: name the checkpoint in it, such as {path / 'best.pt'}")
    with open_file(path) as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if path.stat().st_size else b""
        return read_foreign_bytes(np.frombuffer(mapped, np.uint8), path, verify=verify)


def read_foreign_bytes(content: NDArray[np.uint8], path: Path, *, verify: bool) -> tuple[Any, tuple[str, ...]]:
    """Do what `read_foreign_file` does with the bytes of a file, or of a part of one.

    Parameters
    ----------
    content : array of uint8
        The bytes; tensors are views of them.
    path : Path
        Where they are from, for errors.
    verify : bool
        Whether checksums are compared.

    Returns
    -------
    content, foreign
        As from `read_foreign_file`.

    Raises
    ------
    CollapseError
        If they are damaged, or no such file.
    """
    start = content[: len(LEGACY)].tobytes()
    if not start.startswith((_ZIP, LEGACY)):
        raise CollapseError(f"{path} is not a torch checkpoint: it is no zip archive")
    try:
        records: Records = ZipRecords(content, verify) if start.startswith(_ZIP) else LegacyRecords(content)
        unpickler = Unpickler(records.pickle(), records.storage)
        return unpickler.load(), tuple(unpickler.foreign)
    except ChecksumError as error:
        raise CollapseError(
            f"{path} is damaged: the bytes of its record {error} do not give the checksum that was written "
            "with them; copy it again from where it is whole, or read it as it is with --no-verify"
        ) from error
    except Exception as error:
        # What a damaged archive or pickle raises can be anything.
        raise CollapseError(f"{path} is damaged or cut off: {first_line(error)}") from error


def as_tensors(content: Any) -> Any:
    """Return a content with torch's tensors, of the same memory, in place of its arrays."""
    import torch

    if isinstance(content, np.ndarray):
        if content.dtype.name == "bfloat16":
            return torch.from_numpy(content.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(content)
    if isinstance(content, Mapping):
        return {key: as_tensors(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(as_tensors(item) for item in content)
    return content
