"""Limits of the machine, checked before anything is allocated."""

import sys
from contextlib import suppress
from pathlib import Path

import psutil

from collapse.errors import CollapseError

_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return the free memory in bytes: that of the machine, or of its control group if that has less."""
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):
        limit, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        free = min(free, limit - used)
    return free


def refuse_few_open_files(least: int, what: str) -> None:
    """Check that this process may open enough files at a time.

    Parameters
    ----------
    least : int
        Number of files that are open at a time, including those of every process.
    what : str
        What opens the files, as the subject of a sentence.

    Raises
    ------
    CollapseError
        If fewer are allowed. The message has both numbers.
    """
    if sys.platform == "win32":
        return
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < least:
        raise CollapseError(
            f"{what} opens up to {least} files at a time, but this process may open only {allowed}: raise the "
            f"limit with `ulimit -n {least}`"
        )


def refuse_beyond_memory(needed: int, what: str, hint: str, *, available: int | None = None) -> None:
    """Check that something fits into memory.

    Parameters
    ----------
    needed : int
        Bytes needed at least.
    what : str
        What needs them, as the subject of a sentence.
    hint : str
        What to do instead.
    available : int, optional
        Bytes available. The default is the free memory of this machine.

    Raises
    ------
    CollapseError
        If it does not fit. The message has both sizes.
    """
    free = available_memory() if available is None else available
    if needed > free:
        raise CollapseError(
            f"{what} takes {needed / 1e9:,.1f} GB of memory, but only {free / 1e9:,.1f} GB are free: {hint}"
        )
