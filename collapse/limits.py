"""What a command may ask of the machine: computed before anything is allocated."""

import sys
from contextlib import suppress
from pathlib import Path

import psutil

from collapse.errors import CollapseError

_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return the bytes of memory that are free: the machine's, or the control group's if that has less."""
    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):
        limit, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        free = min(free, limit - used)
    return free


def refuse_few_open_files(least: int, what: str) -> None:
    """Refuse what opens more files at one time than this process may.

    Parameters
    ----------
    least : int
        Files that it opens at one time, with those that every process has.
    what : str
        What opens them, as it reads before "opens".

    Raises
    ------
    CollapseError
        If fewer are allowed; the sentence has both numbers.
    """
    if sys.platform == "win32":
        return
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < least:
        raise CollapseError(
            f"{what} opens up to {least} files at a time and this process may open {allowed}: "
            f"raise the limit with `ulimit -n {least}`"
        )


def refuse_beyond_memory(needed: int, what: str, hint: str, *, available: int | None = None) -> None:
    """Refuse what does not fit into memory.

    Parameters
    ----------
    needed : int
        Bytes that it takes at least.
    what : str
        What takes them, as it reads before "takes".
    hint : str
        What to do instead.
    available : int, optional
        Bytes that there are; this machine's free memory by default.

    Raises
    ------
    CollapseError
        If it takes more; the sentence has both figures.
    """
    free = available_memory() if available is None else available
    if needed > free:
        raise CollapseError(
            f"{what} takes {needed / 1e9:,.1f} GB of memory and {free / 1e9:,.1f} GB are free: {hint}"
        )
