"""Products of embeddings with hand-written gradients.

Shapes: B batch, N fields, K embedding size, S sub-embeddings of a row, P pairs or maps, H maps, R columns.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class FieldAwareProducts(torch.autograd.Function):
    """2 h = <E, E'>, where E' has e_j^{->i} in the place of e_i^{->j}, so that the gradient of h is E' itself."""

    @staticmethod
    def forward(ctx: Any, e_BSK: Tensor, partners_S: Tensor) -> Tensor:
        partner_BSK = _selected(e_BSK, partners_S)
        ctx.save_for_backward(partner_BSK)
        return (e_BSK.flatten(1).unsqueeze(1) @ partner_BSK.flatten(1).unsqueeze(2)).squeeze(2) / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (partner_BSK,) = ctx.saved_tensors
        return (partner_BSK.flatten(1) * gradients[0]).view_as(partner_BSK), None


def _selected(e_BSK: Tensor, of_S: Tensor) -> Tensor:
    """Return the sub-embeddings in another order. On a CPU, rows of one matrix take two thirds of the time."""
    if e_BSK.device.type != "cpu":
        return e_BSK.index_select(1, of_S)
    B, S, K = e_BSK.shape
    rows_BS = torch.arange(0, B * S, S).unsqueeze(1) + of_S
    return F.embedding(rows_BS, e_BSK.reshape(B * S, K))


class InnerProducts(torch.autograd.Function):
    """<e_i, e_j> for i < j from E E^T. Its gradient is G E, with G symmetric and zero on the diagonal."""

    @staticmethod
    def forward(ctx: Any, e_BNK: Tensor, pairs: Tensor, pair_of: Tensor) -> Tensor:
        ctx.save_for_backward(e_BNK, pair_of)
        return (e_BNK @ e_BNK.mT).flatten(1).index_select(1, pairs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        e_BNK, pair_of = ctx.saved_tensors
        B, N, _ = e_BNK.shape
        if not gradients[0].shape[1]:
            return torch.zeros_like(e_BNK), None, None
        G_BNN = gradients[0].index_select(1, pair_of).view(B, N, N)
        G_BNN.diagonal(dim1=1, dim2=2).zero_()
        return G_BNN @ e_BNK.to(G_BNN.dtype), None, None


class WeightedPool(torch.autograd.Function):
    """e^T r e of every column. Its gradient is (r + r^T) e, for which only the columns are stored."""

    @staticmethod
    def forward(ctx: Any, e_NR: Tensor, r_NN: Tensor) -> Tensor:
        weighted_NR = r_NN @ e_NR
        ctx.save_for_backward(e_NR.to(weighted_NR.dtype), r_NN.to(weighted_NR.dtype))
        return weighted_NR.mul_(e_NR).sum(0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        e_NR, r_NN = ctx.saved_tensors
        g_R = gradients[0].to(e_NR.dtype)
        return ((r_NN + r_NN.T) @ e_NR).mul_(g_R), (e_NR * g_R) @ e_NR.T


class CompressedProducts(torch.autograd.Function):
    """sum_pn W_hpn x_p * e_n as <x, W_h e>, without forming the P N products of a column.

    W_h e of all h takes P H numbers per column. Storing it for the backward pass would move it through memory four
    times, so it is computed again.
    """

    @staticmethod
    def forward(ctx: Any, x_PR: Tensor, e_NR: Tensor, W_HPN: Tensor) -> Tensor:
        mixed_HPR = (W_HPN.flatten(0, 1) @ e_NR).view(*W_HPN.shape[:2], -1)
        ctx.save_for_backward(*(each.to(mixed_HPR.dtype) for each in (x_PR, e_NR, W_HPN)))
        return mixed_HPR.mul_(x_PR).sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x_PR, e_NR, W_HPN = ctx.saved_tensors
        W = W_HPN.flatten(0, 1)
        g_H1R = gradients[0].to(W.dtype).unsqueeze(1)
        mixed_HPR = (W @ e_NR).view(*W_HPN.shape[:2], -1)
        into_x = mixed_HPR.mul_(g_H1R).sum(0)
        spread = torch.mul(g_H1R, x_PR, out=mixed_HPR).flatten(0, 1)
        into_e: Tensor = W.T.contiguous() @ spread
        return into_x, into_e, (spread @ e_NR.T).view_as(W_HPN)
