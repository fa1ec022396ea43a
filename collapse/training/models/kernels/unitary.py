"""Distance of blocks from multiples of unitary matrices.

Shapes: N fields, K embedding size.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class UnitaryPenalty(torch.autograd.Function):
    """With R = W_ij^T W_ij - lambda_ij I the gradients are 4 W_ij R and -2 tr R, one product in each direction.

    Autograd would take two products in the backward pass, and store three more arrays of W's size.
    """

    @staticmethod
    def forward(ctx: Any, W: Tensor, lambda_NN: Tensor) -> Tensor:
        N = len(lambda_NN)
        K = len(W) // N
        blocks = W.view(N, K, N, K).transpose(1, 2).reshape(N * N, K, K)
        residuals = torch.bmm(blocks.mT, blocks)
        residuals.diagonal(dim1=1, dim2=2).sub_(lambda_NN.reshape(-1, 1))
        ctx.save_for_backward(blocks, residuals)
        return torch.dot(residuals.view(-1), residuals.view(-1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        blocks, residuals = ctx.saved_tensors
        K = blocks.shape[-1]
        N = math.isqrt(len(blocks))
        of_blocks = torch.bmm(blocks, residuals).mul_(4 * gradients[0])
        of_lambda = residuals.diagonal(dim1=1, dim2=2).sum(-1).mul_(-2 * gradients[0])
        return of_blocks.view(N, N, K, K).transpose(1, 2).reshape(N * K, N * K), of_lambda.view(N, N)
