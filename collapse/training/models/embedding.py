"""The embedding tables of all fields and sets as one fused table.

Shapes: B batch, N fields, M sets, C columns of one set, D total rows of all fields' tables.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from collapse.training.models.kernels.gather import GatherInto


class FusedEmbedding(nn.Module):
    """All tables E_i^(m) in one matrix, with fields stacked along the rows and sets along the columns.

    A single gather looks up every field and set. Each (D, K) block is initialised xavier-uniform as a whole, as in
    the paper's code; its text does not say.

    On a CPU the gradient is a tensor that is reused in every step: `start` clears the rows that the last batch
    looked up, and the backward pass adds to the rows of this batch. Torch by default allocates and clears a
    gradient of the whole table in every step, and its page faults cost more than all the arithmetic of a cross
    layer.

    Parameters
    ----------
    cardinalities : sequence of int
        Rows D_i of every field.
    blocks : sequence of int
        Columns of every block of one set, C in total: [K], or for FFM one K per target field.
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
        """Begin a step: ``weight.grad`` is the reused gradient, all zero, on a CPU, and None elsewhere.

        From then on `torch.autograd.grad` does not see lookups, until ``weight.grad`` is set to something else. If
        `weight` has hooks, the default is used so that they are called.
        """
        self.weight.grad = None
        if self.weight.device.type != "cpu":
            return
        if self._gradient is None:
            self._gradient = torch.zeros_like(self.weight)
        elif self._has_hooks():
            # The hooks may have changed it anywhere.
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
            For every field the row of its own table, shape (B, N), int32.

        Returns
        -------
        tuple of Tensor
            One tensor per set, shape (B, N, C).
        """
        rows_BN = ids_BN + self.offsets
        if self._gradient is not None and self._is_kept():
            self._looked_up.append(rows_BN)
            e_BNC: Tensor = GatherInto.apply(self.weight, rows_BN, self._gradient)  # type: ignore[no-untyped-call]
        else:
            e_BNC = F.embedding(rows_BN, self.weight)
        # The gradient of a single chunk is already a copy.
        return (e_BNC,) if self.sets == 1 else e_BNC.chunk(self.sets, dim=-1)

    def _is_kept(self) -> bool:
        """Return whether the backward pass of this lookup should add to the reused gradient."""
        return torch.is_grad_enabled() and self.weight.grad is self._gradient and not self._has_hooks()

    def _has_hooks(self) -> bool:
        return bool(self.weight._backward_hooks or self.weight._post_accumulate_grad_hooks)  # noqa: SLF001
