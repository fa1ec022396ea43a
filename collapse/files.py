"""Files and folders that are written whole or not at all."""

import ctypes
import errno
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from collapse.errors import CollapseError

if TYPE_CHECKING:
    import pandas as pd

PARTIAL_SUFFIX = ".partial"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Linux's, from fcntl.h and linux/fs.h.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turn an operating system's refusal into a sentence that names the file.

    Parameters
    ----------
    action : str
        What was being done, as it reads after "cannot": ``"write"``, ``"read"``.
    path : Path
        The file or folder it was done to.

    Raises
    ------
    CollapseError
        In place of any `OSError` raised inside the block.
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
    """Refuse what is there and no file: a folder, a pipe, a device, which would be waited for without end.

    Parameters
    ----------
    path : Path
        What is to be opened.

    Raises
    ------
    CollapseError
        If it is no file, or nothing.
    """
    with explained("read", path):
        mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
        kind = next((name for is_kind, name in kinds.items() if is_kind(mode)), "a device")
        raise CollapseError(f"cannot read {path}: it is {kind} and no file")


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` that takes its name when the block ends well.

    Parameters
    ----------
    path : Path
        The file to write; its folder must exist. What it held stays until the new content is on disk.

    Yields
    ------
    IO[bytes]
        The open temporary file.

    Raises
    ------
    CollapseError
        If the operating system refuses (no space, no permission); `path` is then as it was.
    """
    with explained("write", path):
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
    """Make a temporary folder beside `path` that takes its name when the block ends well.

    Parameters
    ----------
    path : Path
        The folder to make; its parents are made as needed.
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
    with explained("write", path):
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


@contextmanager
def _new_folder(path: Path, *, overwrite: bool) -> Iterator[Path]:
    _clear_abandoned(path)
    if path.exists() and not overwrite:
        raise CollapseError(f"{path} exists already: choose another folder, or add --overwrite to replace it")
    with explained("write", path):
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


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table without its index as CSV, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write.
    table : pandas.DataFrame
        The table.

    Raises
    ------
    CollapseError
        If the file cannot be written.
    """
    with atomic_write(path) as file:
        file.write(csv_text(table).encode())


def csv_text(table: "pd.DataFrame") -> str:
    """Return a table without its index as CSV, no cell of which a spreadsheet would take as a formula.

    Parameters
    ----------
    table : pandas.DataFrame
        The table.

    Returns
    -------
    str
        The text; a text cell that begins with =, +, -, @, a tab or a carriage return has ' before it.
    """
    texts = table.select_dtypes(exclude="number").columns
    safe = table.assign(**{name: table[name].map(_no_formula) for name in texts})
    return safe.to_csv(index=False, lineterminator="\n")


def plain_cells(table: "pd.DataFrame") -> "pd.DataFrame":
    """Undo what `csv_text` put before cells."""
    texts = table.select_dtypes(exclude="number").columns
    return table.assign(**{name: table[name].map(_as_it_was) for name in texts})


def _no_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _as_it_was(cell: Any) -> Any:
    quoted = isinstance(cell, str) and cell.startswith("'") and cell[1:].startswith(_FORMULA)
    return cell[1:] if quoted else cell


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write.
    content : Any
        What `json.dumps` takes; NaN and infinity are refused.

    Raises
    ------
    CollapseError
        If the file cannot be written.
    """
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    with atomic_write(path) as file:
        file.write(text.encode() + b"\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : Path
        The file to read.

    Returns
    -------
    Any
        Its content.

    Raises
    ------
    CollapseError
        If the file cannot be read or is not JSON.
    """
    try:
        with explained("read", path):
            return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CollapseError(f"{path} is not a JSON file: {error}") from error


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
