"""What a processor is asked before products are sent a certain way."""

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from collapse.errors import CollapseError

_FLOAT32_ERROR = 1e-5
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


@contextmanager
def fast_float32_products() -> Iterator[bool]:
    """Send float32 products through oneDNN on an AMD processor, if that is exact there.

    The switch is named after bfloat16, which oneDNN may use once it is set and does use where the processor has
    matrix units for it. So a product is compared with float64 first, and the switch set back if it is not right to
    float32's precision.

    Yields
    ------
    bool
        Whether products go through oneDNN inside the block.
    """
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    if settings is None or _vendor() != "AuthenticAMD":
        yield False
        return
    before = settings.fp32_precision
    try:
        settings.fp32_precision = "bf16"
        if _product_error() > _FLOAT32_ERROR:
            settings.fp32_precision = before
        yield settings.fp32_precision != before
    finally:
        settings.fp32_precision = before


def keep_freed_memory(*, keep: bool = True) -> bool:
    """Have this process keep the memory that it frees, for the tensors of the next step.

    The GNU C library gives arrays of above 32 MB back to the system as they are freed; a step that makes some anew
    then waits for their pages, a fifth of the time of xDeepFM's and of NFwFM's. The most memory in use is no more
    for it, but it stays in use. Nothing is done where another library is in charge.

    Parameters
    ----------
    keep : bool
        False for what the library does by itself once a large array was freed.

    Returns
    -------
    bool
        Whether it was done.
    """
    threshold = 2**31 - 1 if keep else 2**25
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(
        mallopt(_M_MMAP_THRESHOLD, threshold) and mallopt(_M_TRIM_THRESHOLD, min(2 * threshold, 2**31 - 1))
    )


def refuse_slow_bf16(device: torch.device) -> None:
    """Refuse bfloat16 products on a processor that makes them slower than float32 ones, as one without units does.

    Parameters
    ----------
    device : torch.device
        Where they would be made; only a CPU is asked, by a product in each precision.

    Raises
    ------
    CollapseError
        If they are slower.
    """
    if device.type != "cpu":
        return
    ratio = _product_seconds(torch.bfloat16) / _product_seconds(torch.float32)
    if ratio > 1:
        raise CollapseError(
            f"bf16 products take {ratio:.1f} times as long as float32 ones on this processor: leave out "
            "--precision bf16, or add --force"
        )


def _product_seconds(dtype: torch.dtype) -> float:
    A, B = torch.ones(1024, 400, dtype=dtype), torch.ones(400, 400, dtype=dtype)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        A @ B
        times.append(time.perf_counter() - start)
    return min(times)


@cache
def _vendor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "unknown")


def _product_error() -> float:
    generator = torch.Generator().manual_seed(0)
    A, B = (torch.randn(512, 384, generator=generator) for _ in range(2))
    exact = A.double() @ B.double().T
    return float(((A @ B.T) - exact).abs().max() / exact.abs().max())
