"""What a command may ask of the machine: computed before anything is allocated."""

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
