"""Reading torch's file formats without torch: plain values, and tensors as arrays mapped from the file.

Such a file is a zip archive of uncompressed records or, before torch 1.6, a sequence of pickles. A pickle holds
everything except the bytes of the storages: each tensor is a storage's number, an offset, a shape and strides. The
pickle may name only the few functions that rebuild a tensor and an ordered dictionary. Any other name is refused
or replaced by an inert stub, so no code in the file is ever run.
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
    """Read a file that ``torch.save`` wrote.

    Parameters
    ----------
    path : Path
        The file.
    verify : bool
        Compare the bytes of each record that is read with the archive's checksum, which reads all of them.

    Returns
    -------
    Any
        The content. Tensors are arrays that are mapped from the file; writing to them does not change it. bfloat16
        has the type of ml_dtypes. Tensors that are sparse, quantised, complex, of eight bits or without a storage
        are `Unreadable`.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, of another kind, or cannot be read without running code.
    """
    content, foreign = read_foreign_file(path, verify=verify)
    refuse_foreign(path, foreign)
    return content


def refuse_foreign(path: Path, foreign: tuple[str, ...]) -> None:
    """Refuse a file that names classes where none are expected.

    Raises
    ------
    CollapseError
        If there are such names.
    """
    if foreign:
        raise CollapseError(
            f"{path} was refused: it holds objects that cannot be read without running code ({foreign[0]}); ask "
            "for a file that holds only the state dict"
        )


def read_foreign_file(path: Path, *, verify: bool = True) -> tuple[Any, tuple[str, ...]]:
    """Read a file that ``torch.save`` wrote, whatever classes it names.

    Parameters
    ----------
    path, verify
        As for `read_torch_file`.

    Returns
    -------
    content : Any
        As `read_torch_file`, with a `Stub` in place of every object of an unknown class.
    foreign : tuple of str
        Names of these classes and functions, none of which was imported or called.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, or of another kind.
    """
    if path.is_dir():
        raise CollapseError(f"{path} is a folder: pass the checkpoint in it, for example {path / 'best.pt'}")
    with open_file(path) as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if path.stat().st_size else b""
        return read_foreign_bytes(np.frombuffer(mapped, np.uint8), path, verify=verify)


def read_foreign_bytes(content: NDArray[np.uint8], path: Path, *, verify: bool) -> tuple[Any, tuple[str, ...]]:
    """Read the bytes of a file, or of a part of one, as `read_foreign_file` does.

    Parameters
    ----------
    content : array of uint8
        The bytes. Tensors are views of them.
    path : Path
        Where they are from, for error messages.
    verify : bool
        Compare the bytes with checksums.

    Raises
    ------
    CollapseError
        If the bytes are damaged, or of another kind.
    """
    start = content[: len(LEGACY)].tobytes()
    if not start.startswith((_ZIP, LEGACY)):
        raise CollapseError(f"{path} is not a torch checkpoint: it is not a zip archive")
    try:
        records: Records = ZipRecords(content, verify) if start.startswith(_ZIP) else LegacyRecords(content)
        unpickler = Unpickler(records.pickle(), records.storage)
        return unpickler.load(), tuple(unpickler.foreign)
    except ChecksumError as error:
        raise CollapseError(
            f"{path} is damaged: the record {error} does not match its checksum; copy the file again, or read "
            "it as it is with --no-verify"
        ) from error
    except Exception as error:
        # A damaged archive or pickle can raise any exception.
        raise CollapseError(f"{path} is damaged or truncated: {first_line(error)}") from error


def as_tensors(content: Any) -> Any:
    """Replace the arrays in a content by torch tensors that share their memory."""
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
