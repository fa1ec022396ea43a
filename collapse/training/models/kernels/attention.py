"""Attention over the fields for all heads, from one tensor.

Shapes: B batch, N fields, A units per head.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Attention(torch.autograd.Function):
    """softmax(q k^T) v + r of every head, with q, k, v and r concatenated in one tensor.

    Autograd would gather the gradients from transposed pieces, which takes longer than the products.
    """

    @staticmethod
    def forward(ctx: Any, all_four: Tensor, heads: int) -> Tensor:
        attended, weights = [], []
        for q_BNA, k_BNA, v_BNA, r_BNA in _heads(all_four, heads):
            weights_BNN = torch.softmax(q_BNA @ k_BNA.mT, dim=2).to(all_four.dtype)
            attended.append(torch.baddbmm(r_BNA, weights_BNN, v_BNA))
            weights.append(weights_BNN)
        ctx.heads = heads
        ctx.save_for_backward(all_four, *weights)
        return torch.cat(attended, dim=2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        all_four, *weights = ctx.saved_tensors
        into = torch.empty_like(all_four)
        parts = zip(
            _heads(all_four, ctx.heads),
            _heads(into, ctx.heads),
            weights,
            gradient.chunk(ctx.heads, 2),
            strict=True,
        )
        for (q_BNA, k_BNA, v_BNA, _), into_qkvr, weights_BNN, g_BNA in parts:
            products_BNN = weights_BNN * (g_BNA @ v_BNA.mT)
            scores_BNN = products_BNN.sub_(weights_BNN * products_BNN.sum(2, keepdim=True))
            found = (scores_BNN @ k_BNA, scores_BNN.mT @ q_BNA, weights_BNN.mT @ g_BNA, g_BNA)
            for part, value in zip(into_qkvr, found, strict=True):
                part.copy_(value)
        return into, None


def _heads(all_four: Tensor, heads: int) -> list[tuple[Tensor, ...]]:
    """Return views of q, k, v and r, one tuple per head, each of shape (B, N, A)."""
    B, N, _ = all_four.shape
    parts = all_four.view(B, N, 4, heads, -1)
    return [tuple(parts[:, :, n, head] for n in range(4)) for head in range(heads)]
