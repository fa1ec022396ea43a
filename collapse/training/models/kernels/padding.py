"""Zeros that are appended because products are fast at some sizes.

Shapes: B batch, N fields, K embedding size, H hidden units.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_COLUMNS_IN_CACHE = 2560
"""Of float32: with 39 fields 400 kB, which a core's second cache holds."""


def vector_padding(size: int) -> int:
    """Return how many zeros are to be appended to `size` columns for whole vectors of the processor.

    Products whose result is no multiple of a vector wide take 8 % longer at width 390, 37 % at 3900 and ten times
    as long at width 10, far more than the appending. A vector has 8 numbers or, with AVX-512, 16, which a small
    size is not filled up to.
    """
    return -size % (16 if size > 256 else 8)


def padded(tensor: Tensor, *more: int) -> Tensor:
    """Append zeros.

    Parameters
    ----------
    tensor : Tensor
        Any.
    *more : int
        How many, a number for each of the last dimensions.

    Returns
    -------
    Tensor
        The larger tensor, or the tensor itself where nothing is added.
    """
    pads = [pad for size in reversed(more) for pad in (0, size)]
    return F.pad(tensor, pads) if any(more) else tensor


def columns_in_cache(e_BNK: Tensor) -> list[Tensor]:
    """Lay out embeddings for interactions that mix fields and leave the directions of a row apart.

    Parameters
    ----------
    e_BNK : Tensor
        Embeddings, shape (B, N, K).

    Returns
    -------
    list of Tensor
        Parts of the batch, each of shape (N, R) with zeros below up to whole vectors: column b K + k has direction
        k of its row b. On a CPU a part is so small that what is made of it stays in the cache.
    """
    _, N, K = e_BNK.shape
    parts = torch.split(e_BNK, max(_COLUMNS_IN_CACHE // K, 1)) if e_BNK.device.type == "cpu" else (e_BNK,)
    return [padded(part.transpose(0, 1).flatten(1), vector_padding(N), 0) for part in parts]


class PaddedLinear(nn.Linear):
    """A linear layer whose input may go on with zeros, which an interaction appended for its own products."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return `input` W^T + b, shape (B, H)."""
        return F.linear(input, padded(self.weight, input.shape[-1] - self.in_features), self.bias)
