"""Files and folders that are written whole or not at all."""

import ctypes
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from collapse.errors import CollapseError
from collapse.files.opening import check_is_regular, explain_os_errors

PARTIAL_SUFFIX = ".partial"
# Linux's, from fcntl.h and linux/fs.h.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def _followed(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def check_can_be_written(path: Path) -> Path:
    """Refuse to replace what is not a regular file, such as a device or a pipe.

    Parameters
    ----------
    path : Path
        A file to write; it need not exist.

    Returns
    -------
    Path
        The file that is replaced: the one that a link points to.

    Raises
    ------
    CollapseError
        If there is something else in its place, or its folder does not exist.
    """
    with explain_os_errors("write", path):
        target = _followed(path)
        try:
            # The path, not the target: /dev/stdout is a link to what has no name.
            mode = path.stat().st_mode
        except FileNotFoundError:
            target.parent.stat()
        else:
            check_is_regular("write", path, mode)
    return target


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file next to `path` that takes its name when the block ends well.

    Parameters
    ----------
    path : Path
        The file to write; its folder must exist. What it held stays until the new content is on disk. A link is
        followed; anything but a regular file is refused.

    Yields
    ------
    IO[bytes]
        The open temporary file.

    Raises
    ------
    CollapseError
        If the operating system refuses (no space, no permission); `path` is then as it was.
    """
    path = check_can_be_written(path)
    with explain_os_errors("write", path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL_SUFFIX)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)


@contextmanager
def atomic_directory(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Make a temporary folder next to `path` that takes its name when the block ends well.

    Parameters
    ----------
    path : Path
        The folder to make; its parents are made as needed. A link to a folder is followed.
    overwrite : bool
        Whether an existing folder is replaced.

    Yields
    ------
    Path
        The temporary folder, to be filled.

    Raises
    ------
    CollapseError
        If `path` exists and is not to be replaced, another process is making it, or the operating system refuses.

    Notes
    -----
    What a process that was killed left behind is removed. A folder that is replaced is exchanged with the new one
    in one step where the system has that, so that there is no moment without either.
    """
    with explain_os_errors("write", path):
        _refuse_existing(path, overwrite=overwrite)
        if path.exists() and not path.is_dir():
            raise CollapseError(f"cannot write {path}: it is not a folder")
        path = _followed(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.parent / f".{path.name}.writing")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise CollapseError(
                f"another process is writing {path}: wait for it, or choose another folder"
            ) from error
    try:
        with _new_folder(path, overwrite=overwrite) as temporary:
            yield temporary
    finally:
        # Removed while it is held: who waits for it sees that it has no name any more, and makes a new one.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _refuse_existing(path: Path, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise CollapseError(f"{path} exists already: choose another folder, or add --overwrite to replace it")


@contextmanager
def _new_folder(path: Path, *, overwrite: bool) -> Iterator[Path]:
    _clear_abandoned(path)
    _refuse_existing(path, overwrite=overwrite)
    with explain_os_errors("write", path):
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL_SUFFIX))
        try:
            yield temporary
            for file in temporary.iterdir():
                with file.open("rb") as opened:
                    os.fsync(opened.fileno())
            temporary.chmod(0o777 & ~_umask())
            if path.exists():
                _exchange(path, temporary)
            else:
                temporary.replace(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync_directory(path.parent)


def _clear_abandoned(path: Path) -> None:
    """Remove temporary folders of `path`, which whoever holds the lock can do; ``mkdtemp`` makes their names."""
    of_path = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}{re.escape(PARTIAL_SUFFIX)}")
    for each in path.parent.iterdir():
        if of_path.fullmatch(each.name) and each.is_dir():
            shutil.rmtree(each, ignore_errors=True)


def _exchange(path: Path, temporary: Path) -> None:
    """Put the new folder in the place of the old one, and remove that."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        here = ctypes.c_int(_AT_FDCWD)
        if renameat2(here, os.fsencode(temporary), here, os.fsencode(path), _RENAME_EXCHANGE) == 0:
            shutil.rmtree(temporary, ignore_errors=True)
            return
    retired = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL_SUFFIX))
    path.replace(retired)
    temporary.replace(path)
    shutil.rmtree(retired, ignore_errors=True)


def _sync_directory(path: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
