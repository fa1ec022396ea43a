"""The most memory that a run had in use."""

import re
import sys
from contextlib import suppress
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Watches from when it is made.

    Parameters
    ----------
    device : torch.device
        Where the run trains.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        with suppress(OSError):
            # Linux forgets the process's peak, which may be that of another run, at the writing of a 5.
            _RESET.write_text("5")

    def read(self) -> dict[str, int | None]:
        """Return the most bytes in use.

        Returns
        -------
        dict
            ``process``: of memory, elsewhere than on Linux since the process began, None where that cannot be
            told; ``gpu``: by tensors on it, None without one.
        """
        gpu = torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else None
        return {"process": _of_process(), "gpu": gpu}


def _of_process() -> int | None:
    with suppress(OSError):
        if found := re.search(r"^VmHWM:\s*(\d+) kB", _STATUS.read_text(), re.MULTILINE):
            return int(found[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
