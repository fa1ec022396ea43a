"""A lookup whose gradient is added to a tensor that is reused in every step."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class GatherInto(torch.autograd.Function):
    """A gather whose gradient is added to a tensor of the caller."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rows: Tensor, gradient: Tensor) -> Tensor:
        ctx.gradient = gradient
        ctx.save_for_backward(rows)
        return F.embedding(rows, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        (rows,) = ctx.saved_tensors
        # Of torch's functions that add rows on a CPU, this one uses all threads and is deterministic.
        into = rows.reshape(-1, 1).long().expand(-1, ctx.gradient.shape[1])
        ctx.gradient.scatter_add_(0, into, gradients[0].reshape(into.shape))
        return None, None, None
