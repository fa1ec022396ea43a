"""Limits of the machine: flops and bytes per second."""

import time
from collections.abc import Callable

import torch


def product_rate(dtype: torch.dtype) -> float:
    """Measure flops per second on a large square product."""
    A = torch.randn(3072, 3072, dtype=dtype)
    return 2 * 3072**3 / best(lambda: A @ A)


def copy_rate() -> float:
    """Measure bytes per second, read and written, on an array of 512 MB."""
    source = torch.randn(128 * 2**20)
    target = torch.empty_like(source)
    return 2 * source.nbytes / best(lambda: target.copy_(source))


def best(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the smallest number of seconds that a call takes, after one call to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
