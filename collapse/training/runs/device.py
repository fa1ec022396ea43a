"""Where a model is trained or tested."""

import re

import torch

from collapse.errors import CollapseError


def torch_device(name: str) -> torch.device:
    """Return a device by its name.

    Parameters
    ----------
    name : str
        ``cpu``, ``cuda``, ``cuda:1``, or ``auto`` for a GPU if there is one.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    CollapseError
        If there is no such device.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if count else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if (number := re.fullmatch(r"cuda(?::(\d+))?", name)) is None:
        raise CollapseError(f"--device {name} is not a device that this trains on: use auto, cpu or cuda")
    if not count:
        raise CollapseError(f"there is no GPU that torch can use for --device {name}: use --device cpu")
    if int(number[1] or 0) >= count:
        raise CollapseError(f"there is no --device {name}: the last GPU is cuda:{count - 1}")
    return torch.device(name)
