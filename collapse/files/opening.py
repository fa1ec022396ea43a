"""Opening regular files, and clear messages for errors of the operating system."""

import errno
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from collapse.errors import CollapseError


@contextmanager
def explain_os_errors(action: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` into a message that names the file.

    Parameters
    ----------
    action : str
        What was attempted, to follow "cannot": ``"write"``, ``"read"``.
    path : Path
        The file or folder.

    Raises
    ------
    CollapseError
        Instead of any `OSError` raised in the block.
    """
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = {
            errno.ENOSPC: "; free some space and try again",
            errno.EDQUOT: "; free some space and try again",
            errno.EFBIG: "; the limit on file sizes is too low",
            errno.EACCES: "; choose another place or change its permissions",
            errno.EPERM: "; choose another place or change its permissions",
            errno.EROFS: "; choose another place",
        }.get(error.errno or 0, "")
        raise CollapseError(f"cannot {action} {path}: {reason}{hint}") from error


def check_is_file(path: Path) -> None:
    """Refuse folders, pipes and devices, from which a read may never end.

    Raises
    ------
    CollapseError
        If the file is missing or not a regular file.
    """
    with explain_os_errors("read", path):
        check_is_regular("read", path, path.stat().st_mode)


@contextmanager
def open_file(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file for reading. A pipe in its place cannot block.

    Raises
    ------
    CollapseError
        If the file is missing, is not a regular file, or cannot be read.
    """
    with explain_os_errors("read", path):
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            check_is_regular("read", path, os.fstat(descriptor).st_mode)
            yield file


def map_file(path: Path) -> mmap.mmap:
    """Map a regular file for reading.

    Raises
    ------
    CollapseError
        If the file is missing, is not a regular file, or cannot be read.
    ValueError
        If the file is empty.
    """
    with open_file(path) as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def check_is_regular(action: str, path: Path, mode: int) -> None:
    """Refuse a path whose mode is not that of a regular file."""
    if stat.S_ISREG(mode):
        return
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    kind = next((name for is_kind, name in kinds.items() if is_kind(mode)), "a device")
    raise CollapseError(f"cannot {action} {path}: it is {kind}, not a regular file")
