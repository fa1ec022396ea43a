"""The embedding tables of all fields and sets as one fused table.

Shapes: B batch, N fields, K embedding size, M sets, C columns of one set, D rows of all fields' tables together.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FusedEmbedding(nn.Module):
    """All tables E_i^(m) in one matrix: fields stacked along the rows, sets along the columns.

    One gather serves every field and set. Each (D, K) block starts xavier-uniform over its whole, as the paper's
    code does; its text is silent.

    Parameters
    ----------
    cardinalities : list of int
        Rows D_i of every field.
    embedding_size : int
        Embedding size K.
    sets : int
        Number of sets M.
    sub_embeddings : int
        Tables of size K that a field has side by side in one set, so that C = sub_embeddings K: 1, but for FFM.
    """

    offsets: Tensor

    def __init__(self, cardinalities: list[int], embedding_size: int, sets: int, sub_embeddings: int = 1) -> None:
        super().__init__()
        self.sets = sets
        rows = sum(cardinalities)
        self.weight = nn.Parameter(torch.empty(rows, sets * sub_embeddings * embedding_size))
        for block in torch.split(self.weight.detach(), embedding_size, dim=1):
            block.copy_(nn.init.xavier_uniform_(torch.empty_like(block)))
        sizes = torch.tensor([0, *cardinalities[:-1]], dtype=torch.int64)
        self.register_buffer("offsets", sizes.cumsum(0).to(torch.int32))

    def forward(self, ids_BN: Tensor) -> tuple[Tensor, ...]:
        """Look up one batch.

        Parameters
        ----------
        ids_BN : Tensor
            Row of its own field's table for every field, shape (B, N), int32.

        Returns
        -------
        tuple of Tensor
            One tensor a set, shape (B, N, C).
        """
        rows_BN = ids_BN + self.offsets
        if self.weight.device.type == "cpu" and torch.is_grad_enabled():
            e_BNC: Tensor = _Gather.apply(self.weight, rows_BN)  # type: ignore[no-untyped-call]
        else:
            e_BNC = F.embedding(rows_BN, self.weight)
        return e_BNC.chunk(self.sets, dim=-1)


class _Gather(torch.autograd.Function):
    """A gather that adds its gradient to an existing `weight.grad` in place.

    The stock backward allocates and clears a gradient of the whole table every step; on a CPU the page faults of
    that cost more than all the arithmetic of a cross layer.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rows: Tensor) -> Tensor:
        ctx.weight = weight
        ctx.save_for_backward(rows)
        return F.embedding(rows, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None]:
        (rows,) = ctx.saved_tensors
        weight: Tensor = ctx.weight
        accumulated = weight.grad
        gradient = torch.zeros_like(weight) if accumulated is None else accumulated
        # Of torch's ways to add rows on a CPU, this one uses all threads and gives the same bits every time.
        into = rows.reshape(-1, 1).long().expand(-1, weight.shape[1])
        gradient.scatter_add_(0, into, gradients[0].reshape(into.shape))
        return (gradient if accumulated is None else None), None
