"""The machine of a run: its device, matrix products, memory allocation and library versions."""

import ctypes
import math
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path

import torch

from collapse.errors import CollapseError


def torch_device(name: str) -> torch.device:
    """Return a device by its name.

    Parameters
    ----------
    name : str
        ``cpu``, ``cuda``, ``cuda:1``, or ``auto`` for a GPU if there is one.

    Raises
    ------
    CollapseError
        If the device does not exist.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if count else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if (number := re.fullmatch(r"cuda(?::(\d+))?", name)) is None:
        raise CollapseError(f"--device must be auto, cpu or cuda, got {name}")
    if not count:
        raise CollapseError(f"there is no GPU that torch can use for --device {name}: use --device cpu")
    if int(number[1] or 0) >= count:
        raise CollapseError(f"--device {name} does not exist: the last GPU is cuda:{count - 1}")
    return torch.device(name)


_FLOAT32_ERROR = 1e-5
"""Largest relative error of a float32 product; bfloat16 has 4e-3."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`, from malloc.h."""


_FEWEST_FLOPS = 25e6
"""Operations of a product below which oneDNN takes longer than torch's default, because of its calls."""


def largest_product(model: torch.nn.Module, batch_size: int) -> float:
    """Return the operations of the largest product of a batch and a weight in a model.

    Parameters
    ----------
    model : nn.Module
        The model. Its embedding tables are looked up, not multiplied.
    batch_size : int
        Rows of a batch.
    """
    tables = {id(parameter) for parameter in model.embedding.parameters()}  # type: ignore[union-attr]
    weights = (parameter.numel() for parameter in model.parameters() if id(parameter) not in tables)
    return 2.0 * batch_size * max(weights, default=0)


@contextmanager
def fast_float32_products(flops: float = math.inf) -> Iterator[bool]:
    """Compute float32 products with oneDNN on an AMD processor, if it is exact there and the products are large.

    The switch is named after bfloat16, which oneDNN may then use, and does use where the processor has matrix
    units for it. Therefore a product is first compared with float64, and the switch is reset unless it has the
    precision of float32.

    Parameters
    ----------
    flops : float
        Operations of the largest product.

    Yields
    ------
    bool
        Whether products use oneDNN inside the block.
    """
    settings = getattr(torch.backends.mkldnn, "matmul", None)
    if settings is None or _vendor() != "AuthenticAMD" or flops < _FEWEST_FLOPS:
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
    """Keep freed memory in this process for the tensors of the next step.

    The GNU C library returns arrays above 32 MB to the system when they are freed. A step that allocates some then
    waits for their pages, which takes a fifth of the time of xDeepFM and NFwFM. The peak memory does not change,
    but the memory stays in use. Nothing is done with other C libraries.

    Parameters
    ----------
    keep : bool
        False restores the library's default.

    Returns
    -------
    bool
        Whether the setting was changed.
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
    """Refuse bfloat16 on a processor where its products are slower than those of float32.

    Parameters
    ----------
    device : torch.device
        Device of the products. Only CPUs are tested, by a product in each precision.

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


_FIRST_WITH_TF32 = (8, 0)


def refuse_missing_tf32(device: torch.device) -> None:
    """Refuse tf32 on devices without it.

    Raises
    ------
    CollapseError
        If it is not a GPU with tf32 units.
    """
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < _FIRST_WITH_TF32:
        raise CollapseError(
            f"{device} does not support tf32, which GPUs do since Ampere: leave out --precision tf32"
        )


@contextmanager
def tf32_products(*, enabled: bool) -> Iterator[None]:
    """Let a GPU round the inputs of float32 products to 10 bits of mantissa; sums stay in float32.

    Parameters
    ----------
    enabled : bool
        If False, nothing is changed.
    """
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = enabled or before
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the libraries that results depend on."""
    packages = ("embedding-collapse", "torch", "numpy")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}
