"""Files of a study that nothing needs any more."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from collapse.errors import CollapseError
from collapse.files.atomic import PARTIAL_SUFFIX
from collapse.files.opening import explain_os_errors
from collapse.study.engines import LOGS
from collapse.study.study import Study, StudyRun
from collapse.training.runs.folder import RunFolder

_PARTIAL = re.compile(rf"\..+\..+{re.escape(PARTIAL_SUFFIX)}")


@dataclass(frozen=True, kw_only=True)
class Unneeded:
    """A file that can be deleted."""

    path: Path
    """The file."""
    bytes: int
    """Its size."""
    why: str
    """Why nothing needs it."""


def unneeded(folder: Path) -> list[Unneeded]:
    """List the files of a study that nothing needs any more.

    Parameters
    ----------
    folder : Path
        The study's folder, or that of a run.

    Returns
    -------
    list of Unneeded
        ``last.pt`` of finished runs, parts of files that a killed process left, and logs of Slurm jobs if all runs
        are finished. Nothing of a run in progress.

    Raises
    ------
    CollapseError
        If the folder does not exist or holds no run.
    """
    study = Study(folder)
    if not len(study):
        raise CollapseError(f"{folder} holds no run: pass the folder of a study or of a run")
    found = [each for run in study for each in _of_run(run)]
    if len(study.finished) == len(study):
        found += [
            _file(path, "log of a Slurm job, and all runs are finished")
            for path in sorted((folder / LOGS).rglob("*"))
            if path.is_file() and not path.is_symlink()
        ]
    return found


def _of_run(run: StudyRun) -> Iterator[Unneeded]:
    files = RunFolder(run.path)
    lock = FileLock(run.path / ".lock")
    try:
        # A run in progress holds its lock.
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return
    try:
        if run.finished and files.best.is_file() and files.last.is_file() and not files.last.is_symlink():
            yield _file(files.last, "state for resuming a run that is finished")
        for path in sorted(run.path.iterdir()):
            if _PARTIAL.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                yield _file(path, "part of a file that a killed process left")
    finally:
        lock.release()


def _file(path: Path, why: str) -> Unneeded:
    return Unneeded(path=path, bytes=path.stat().st_size, why=why)


def delete(files: list[Unneeded]) -> int:
    """Delete files, and return the bytes that are free now.

    Raises
    ------
    CollapseError
        If a file cannot be deleted.
    """
    for each in files:
        with explain_os_errors("delete", each.path):
            each.path.unlink(missing_ok=True)
    return sum(each.bytes for each in files)
