"""Padding with zeros, because products are fast only at some sizes.

Shapes: B batch, N fields, K embedding size, H hidden units.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FEWEST_ROWS = 1024
"""Rows of a batch from which layers are padded."""
_COLUMNS_IN_CACHE = 2560
"""Number of float32 columns of a part of a batch. With 39 fields these are 400 kB, which fit into a second-level
cache."""
_COLUMNS_OF_THREADS = 20_480
"""The same for several threads, which have to be woken for every part."""


def vector_padding(size: int, rows: int | None = None) -> int:
    """Return how many zeros to append to `size` columns to fill whole vectors of the processor.

    Products whose result is not a multiple of a vector wide take 8 % longer at width 390, 37 % longer at 3900, and
    ten times as long at width 10, far more than the padding costs. A vector has 8 numbers, or 16 with AVX-512;
    small sizes are not padded to 16.

    Parameters
    ----------
    size : int
        Number of columns.
    rows : int, optional
        Rows of the product. With few, copying a weight to pad it takes longer than the product gains.
    """
    if rows is not None and rows < _FEWEST_ROWS:
        return 0
    return -size % (16 if size > 256 else 8)


def padded(tensor: Tensor, *more: int) -> Tensor:
    """Append zeros.

    Parameters
    ----------
    tensor : Tensor
        Any tensor.
    *more : int
        Number of zeros for each of the last dimensions.

    Returns
    -------
    Tensor
        The larger tensor, or the tensor itself if nothing is added.
    """
    pads = [pad for size in reversed(more) for pad in (0, size)]
    return F.pad(tensor, pads) if any(more) else tensor


def columns_in_cache(e_BNK: Tensor) -> list[Tensor]:
    """Arrange embeddings for interactions that mix fields but keep the directions of a row separate.

    Parameters
    ----------
    e_BNK : Tensor
        Embeddings, shape (B, N, K).

    Returns
    -------
    list of Tensor
        Parts of the batch, each of shape (N, R), padded with zeros to whole vectors. Column b K + k has direction
        k of row b. On a CPU the parts are small enough for intermediate results to stay in the cache.
    """
    _, N, K = e_BNK.shape
    columns = _COLUMNS_IN_CACHE if torch.get_num_threads() == 1 else _COLUMNS_OF_THREADS
    parts = torch.split(e_BNK, max(columns // K, 1)) if e_BNK.device.type == "cpu" else (e_BNK,)
    return [padded(part.transpose(0, 1).flatten(1), vector_padding(N), 0) for part in parts]


class PaddedLinear(nn.Linear):
    """A linear layer whose input may be padded with zeros, as some interactions return it."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return `input` W^T + b, shape (B, H)."""
        return F.linear(input, padded(self.weight, input.shape[-1] - self.in_features), self.bias)
