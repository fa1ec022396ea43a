"""Field-aware factorization machine: a table of its own for every pair of fields (Appendix H).

Shapes: B batch, N fields, K embedding size a target field.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from collapse.training.model_config import ModelConfig
from collapse.training.models.fm import ScalarInteraction


class FFM(ScalarInteraction):
    """h = sum_{i < j} <e_i^{->j}, e_j^{->i}>, with E_i = [E_i^{->1}, ..., E_i^{->N}] less E_i^{->i}.

    K = 8 a target field, as in the paper's code; Appendix H counts all N - 1 of them as the embedding size. The
    code adds a linear part, of which the text has nothing: ``reading="code"``.
    """

    reference: ClassVar[str] = "Juan et al., RecSys 2016"
    options: ClassVar[frozenset[str]] = frozenset({"reading"})

    @classmethod
    def sub_embeddings(cls, fields: int) -> int:
        """Return N - 1: one for every other field, in the fields' order."""
        return fields - 1

    @classmethod
    def has_linear_part(cls, config: ModelConfig) -> bool:
        """Return whether the reading is that of the paper's code."""
        return config.reading == "code"

    def forward(self, e_BNC: Tensor) -> Tensor:
        """Return h, shape (B, 1); e_i^{->j} is part j of e_i for j < i, and part j - 1 for j > i."""
        e_BNTK = e_BNC.view(*e_BNC.shape[:2], self.fields - 1, self.K)
        h: Tensor = _FieldAwareProducts.apply(e_BNTK)  # type: ignore[no-untyped-call]
        return h


class _FieldAwareProducts(torch.autograd.Function):
    """The sum over pairs, on views: autograd would keep, and clear, one whole tensor a slice."""

    @staticmethod
    def forward(ctx: Any, e_BNTK: Tensor) -> Tensor:
        ctx.save_for_backward(e_BNTK)
        h = e_BNTK.new_zeros(len(e_BNTK))
        for forth, back in _FieldAwareProducts._pairs(e_BNTK):
            h += (forth * back).sum((1, 2))
        return h.unsqueeze(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (e_BNTK,) = ctx.saved_tensors
        into = torch.empty_like(e_BNTK)
        g_B11 = gradients[0].unsqueeze(2)
        pairs = zip(_FieldAwareProducts._pairs(e_BNTK), _FieldAwareProducts._pairs(into), strict=True)
        for (forth, back), (into_forth, into_back) in pairs:
            torch.mul(back, g_B11, out=into_forth)
            torch.mul(forth, g_B11, out=into_back)
        return into

    @staticmethod
    def _pairs(e_BNTK: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return e_i^{->j} and e_j^{->i} for all j > i, field i after field i."""
        return [(e_BNTK[:, i, i:], e_BNTK[:, i + 1 :, i]) for i in range(e_BNTK.shape[1] - 1)]
