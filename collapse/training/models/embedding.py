"""The embedding tables of all fields and sets as one fused table.

Shapes: B batch, N fields, M sets, C columns of one set, D rows of all fields' tables together.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from collapse.training.models.kernels.gather import GatherInto


class FusedEmbedding(nn.Module):
    """All tables E_i^(m) in one matrix: fields stacked along the rows, sets along the columns.

    One gather serves every field and set. Each (D, K) block starts xavier-uniform over its whole, as the paper's
    code does; its text is silent.

    On a CPU the gradient is a tensor that is kept from step to step: `start` clears the rows that the last batch
    looked up, and the backward pass adds to the rows of this one. The stock way makes and clears a gradient of the
    whole table in every step, whose page faults cost more than all the arithmetic of a cross layer.

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
        self._gradient: Tensor | None = None
        self._looked_up: list[Tensor] = []

    def start(self) -> None:
        """Begin a step: on a CPU let ``weight.grad`` be the kept gradient, all zero; elsewhere have none.

        From here on `torch.autograd.grad` sees nothing of a lookup, until ``weight.grad`` is set to something
        else. A `weight` with hooks goes the stock way, so that they are called.
        """
        self.weight.grad = None
        if self.weight.device.type != "cpu":
            return
        if self._gradient is None:
            self._gradient = torch.zeros_like(self.weight)
        elif self._has_hooks():
            # They may have changed it anywhere.
            self._gradient.zero_()
        for rows_BN in self._looked_up:
            self._gradient.index_fill_(0, rows_BN.reshape(-1).long(), 0.0)
        self._looked_up.clear()
        self.weight.grad = self._gradient

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
        if self._gradient is not None and self._is_kept():
            self._looked_up.append(rows_BN)
            e_BNC: Tensor = GatherInto.apply(self.weight, rows_BN, self._gradient)  # type: ignore[no-untyped-call]
        else:
            e_BNC = F.embedding(rows_BN, self.weight)
        # The gradient of one chunk is a copy of its own.
        return (e_BNC,) if self.sets == 1 else e_BNC.chunk(self.sets, dim=-1)

    def _is_kept(self) -> bool:
        """Tell whether the backward pass of this lookup is to add to the kept gradient."""
        return torch.is_grad_enabled() and self.weight.grad is self._gradient and not self._has_hooks()

    def _has_hooks(self) -> bool:
        return bool(self.weight._backward_hooks or self.weight._post_accumulate_grad_hooks)  # noqa: SLF001
