"""What a GPU is asked for before products are made a certain way."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from collapse.errors import CollapseError

_FIRST_WITH_TF32 = (8, 0)


def refuse_missing_tf32(device: torch.device) -> None:
    """Refuse tf32 products where there are none.

    Parameters
    ----------
    device : torch.device
        Where they would be made.

    Raises
    ------
    CollapseError
        If it is no GPU, or one without such units.
    """
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < _FIRST_WITH_TF32:
        raise CollapseError(
            f"{device} has no tf32 products, which GPUs have since Ampere: leave out --precision tf32"
        )


@contextmanager
def tf32_products(*, enabled: bool) -> Iterator[None]:
    """Let a GPU round what float32 products take to 10 bits of mantissa; sums stay float32.

    Parameters
    ----------
    enabled : bool
        Whether; if not, nothing is changed.
    """
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = enabled or before
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
