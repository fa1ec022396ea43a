"""The embedding tables of all fields and sets as one fused table.

Shapes: B batch, N fields, M sets, C columns of one set, D rows of all fields' tables together.
"""

from collections.abc import Sequence
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
    cardinalities : sequence of int
        Rows D_i of every field.
    blocks : sequence of int
        Columns of every block of one set, which together are its C columns: [K], but of FFM one K a target field.
    sets : int
        Number of sets M.
    """

    offsets: Tensor

    def __init__(self, cardinalities: Sequence[int], blocks: Sequence[int], sets: int) -> None:
        super().__init__()
        self.sets = sets
        self.weight = nn.Parameter(torch.empty(sum(cardinalities), sets * sum(blocks)))
        for block in torch.split(self.weight.detach(), [*blocks] * sets, dim=1):
            block.copy_(nn.init.xavier_uniform_(torch.empty_like(block)))
        sizes = torch.tensor([0, *cardinalities[:-1]], dtype=torch.int64)
        self.register_buffer("offsets", sizes.cumsum(0).to(torch.int32))

    def forward(self, ids_BN: Tensor, gradient: Tensor | None = None) -> tuple[Tensor, ...]:
        """Look up one batch.

        Parameters
        ----------
        ids_BN : Tensor
            Row of its own field's table for every field, shape (B, N), int32.
        gradient : Tensor, optional
            A tensor of the shape of `weight`, such as its `grad`, to which the backward pass adds what autograd
            would; `torch.autograd.grad` then sees nothing of it. The stock way makes and clears a gradient of the
            whole table in every step; on a CPU the page faults of that cost more than all the arithmetic of a
            cross layer. A `weight` with hooks goes the stock way, so that they are called.

        Returns
        -------
        tuple of Tensor
            One tensor a set, shape (B, N, C).
        """
        rows_BN = ids_BN + self.offsets
        if gradient is not None and torch.is_grad_enabled() and not self._has_hooks():
            e_BNC: Tensor = _GatherInto.apply(self.weight, rows_BN, gradient)  # type: ignore[no-untyped-call]
        else:
            e_BNC = F.embedding(rows_BN, self.weight)
        # The gradient of one chunk is a copy of its own.
        return (e_BNC,) if self.sets == 1 else e_BNC.chunk(self.sets, dim=-1)

    def clear(self, gradient: Tensor, ids_BN: Tensor) -> None:
        """Set a gradient of `weight` to zero, of which one batch's rows alone are other than zero.

        Parameters
        ----------
        gradient : Tensor
            What `forward` was given.
        ids_BN : Tensor
            The batch that was looked up.
        """
        if self._has_hooks():
            # They may have changed it anywhere.
            gradient.zero_()
        else:
            gradient.index_fill_(0, (ids_BN + self.offsets).reshape(-1).long(), 0.0)

    def _has_hooks(self) -> bool:
        return bool(self.weight._backward_hooks or self.weight._post_accumulate_grad_hooks)  # noqa: SLF001


class _GatherInto(torch.autograd.Function):
    """A gather whose gradient is added to a tensor that the caller owns."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rows: Tensor, gradient: Tensor) -> Tensor:
        ctx.gradient = gradient
        ctx.save_for_backward(rows)
        return F.embedding(rows, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        (rows,) = ctx.saved_tensors
        # Of torch's ways to add rows on a CPU, this one uses all threads and gives the same bits every time.
        into = rows.reshape(-1, 1).long().expand(-1, ctx.gradient.shape[1])
        ctx.gradient.scatter_add_(0, into, gradients[0].reshape(into.shape))
        return None, None, None
