"""Peak memory of a run."""

import re
import sys
from contextlib import suppress
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Records the peak memory from its construction on.

    Parameters
    ----------
    device : torch.device
        Device of the run.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        with suppress(OSError):
            # On Linux, writing 5 resets the process's peak, which may be that of another run.
            _RESET.write_text("5")

    def read(self) -> dict[str, int | None]:
        """Return the peak memory in bytes.

        Returns
        -------
        dict
            ``process``: memory of the process, on systems other than Linux since its start, None if unknown;
            ``gpu``: memory of tensors on the GPU, None without one.
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
