"""Files and folders that appear complete or not at all."""

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
# Linux constants from fcntl.h and linux/fs.h.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def _followed(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def check_can_be_written(path: Path) -> Path:
    """Refuse to replace anything but a regular file, for example a device or a pipe.

    Parameters
    ----------
    path : Path
        The file to write. It need not exist.

    Returns
    -------
    Path
        The file that will be replaced. A link is resolved to its target.

    Raises
    ------
    CollapseError
        If something else is at the path, or its folder does not exist.
    """
    with explain_os_errors("write", path):
        target = _followed(path)
        try:
            # Check the path, not its target: /dev/stdout links to an object without a name.
            mode = path.stat().st_mode
        except FileNotFoundError:
            target.parent.stat()
        else:
            check_is_regular("write", path, mode)
    return target


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` when the block succeeds.

    Parameters
    ----------
    path : Path
        The file to write. Its folder must exist. The old content stays until the new content is on disk. A link is
        followed; anything but a regular file is refused.

    Raises
    ------
    CollapseError
        If the operating system refuses, for lack of space or permission; `path` is then unchanged.
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
    """Make a temporary folder that becomes `path` when the block succeeds.

    Parameters
    ----------
    path : Path
        The folder to make. Missing parents are created. A link to a folder is followed.
    overwrite : bool
        Whether to replace an existing folder.

    Yields
    ------
    Path
        The temporary folder, to be filled.

    Raises
    ------
    CollapseError
        If `path` exists and may not be replaced, another process is writing it, or the operating system refuses.

    Notes
    -----
    The remains of killed processes are removed. Where the system supports it, the old folder is exchanged with the
    new one in a single step, so that one of them exists at every moment.
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
        # The lock file is removed while the lock is held. A waiting process sees that the file has no name, and
        # makes a new one.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _refuse_existing(path: Path, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise CollapseError(f"{path} already exists: choose another folder, or replace it with --overwrite")


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
    """Remove abandoned temporary folders of `path`, named by ``mkdtemp``. The caller holds the lock."""
    of_path = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}{re.escape(PARTIAL_SUFFIX)}")
    for each in path.parent.iterdir():
        if of_path.fullmatch(each.name) and each.is_dir():
            shutil.rmtree(each, ignore_errors=True)


def _exchange(path: Path, temporary: Path) -> None:
    """Replace the old folder with the new one, then delete the old one."""
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
