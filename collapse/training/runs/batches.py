"""Batches of rows, sliced from one matrix of ids.

Shapes: B batch, N fields, n rows of a split.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from collapse.training.data.store.prepared import PreparedData

_BLOCK_ROWS = 4096
"""Rows that are gathered at once, if batches are smaller."""
_COPIED_ROWS = 1_000_000
"""Rows of a data set that are copied to a device together."""


def epoch_order(rows: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Shuffle the training rows for one epoch. The result depends only on the arguments.

    Parameters
    ----------
    rows : (n,) array
        The training rows.
    seed : int
        Seed of the row order.
    epoch : int
        Number of the epoch, from 1.
    """
    return np.random.default_rng([seed, epoch]).permutation(rows)


def batch_bounds(rows: int, batch_size: int) -> list[tuple[int, int]]:
    """Divide `rows` rows into batches.

    Returns
    -------
    list of (int, int)
        First row and end of every batch. The last batch may be smaller. A last batch of a single row, which batch
        normalisation cannot handle, is added to the one before.
    """
    starts = list(range(0, rows, batch_size))
    if len(starts) > 1 and rows - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], rows], strict=True))


@dataclass(frozen=True)
class DeviceRows:
    """All rows of a data set in the memory of a device."""

    ids: Tensor
    """Ids, shape (n, N), int32."""
    labels: Tensor
    """Labels, shape (n,), uint8."""


def rows_on_device(data: PreparedData, device: torch.device, *, free: int) -> DeviceRows | None:
    """Copy a data set to a device, so that no batch has to be copied during training.

    Parameters
    ----------
    data : PreparedData
        The data set.
    device : torch.device
        The device.
    free : int
        Bytes of the device's memory that nothing else needs.

    Returns
    -------
    DeviceRows or None
        None if they would take more than half of it.
    """
    if 2 * (data.ids.nbytes + data.labels.nbytes) > free:
        return None
    ids_nN = torch.empty(data.ids.shape, dtype=torch.int32, device=device)
    for start in range(0, len(ids_nN), _COPIED_ROWS):
        part = slice(start, start + _COPIED_ROWS)
        ids_nN[part] = torch.from_numpy(np.array(data.ids[part])).to(device)
    return DeviceRows(ids_nN, torch.from_numpy(np.array(data.labels)).to(device))


def batches(
    data: PreparedData,
    rows: NDArray[np.int64],
    bounds: list[tuple[int, int]],
    device: torch.device,
    there: DeviceRows | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches.

    Parameters
    ----------
    data : PreparedData
        The data set.
    rows : (n,) array
        The rows to read, in order.
    bounds : list of (int, int)
        The batches, as positions in `rows`.
    device : torch.device
        Device of the tensors.
    there : DeviceRows, optional
        The rows of the data set, if they are on the device already.

    Yields
    ------
    tuple of Tensor
        Ids of shape (B, N), int32, and labels of shape (B,), float32.
    """
    if there is not None:
        of_device = torch.from_numpy(rows).to(device)
        for start, stop in bounds:
            chosen_B = of_device[start:stop]
            yield there.ids[chosen_B], there.labels[chosen_B].float()
        return
    for several in _blocks(bounds):
        begin = several[0][0]
        chosen = rows[begin : several[-1][1]]
        ids_nN = torch.from_numpy(data.ids[chosen])
        labels_n = torch.from_numpy(data.labels[chosen].astype(np.float32))
        for start, stop in several:
            part = slice(start - begin, stop - begin)
            yield _moved(ids_nN[part], device), _moved(labels_n[part], device)


def _blocks(bounds: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield consecutive small batches together, whose rows are faster to gather at once."""
    per_block = max(_BLOCK_ROWS // max(bounds[0][1] - bounds[0][0], 1), 1) if bounds else 1
    for first in range(0, len(bounds), per_block):
        yield bounds[first : first + per_block]


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to the device. Copying to a GPU during its work needs pinned memory."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
