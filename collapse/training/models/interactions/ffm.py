"""Field-aware factorization machine: a table of its own for every pair of fields (Appendix H).

Shapes: B batch, N fields, K embedding size a target field, T = N - 1 target fields.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from collapse.checkpoint import MapsKey
from collapse.training.models.config import InteractionConfig
from collapse.training.models.heads import PlainSum
from collapse.training.models.interaction import Interaction


@dataclass(frozen=True, kw_only=True)
class FFMConfig(InteractionConfig):
    """FFM's settings."""

    base_size: ClassVar[int] = 8
    linear: bool = False
    """Whether the logit has one learned number a value; the paper's code has, its text has nothing of it."""


class FFM(Interaction):
    """h = sum_{i < j} <e_i^{->j}, e_j^{->i}>, with E_i = [E_i^{->1}, ..., E_i^{->N}] less E_i^{->i}.

    K = 8 a target field, as in the paper's code. Appendix H leaves out E_i^{->i}, which no product takes, and
    counts all (N - 1) K columns as the embedding size; the code keeps N blocks, one of which is only ever decayed.
    """

    reference: ClassVar[str] = "Juan et al., RecSys 2016"
    config_class = FFMConfig
    head_class = PlainSum

    def __init__(self, n_fields: int, embedding_size: int, config: FFMConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        self.widths = {"logit": 1}

    @classmethod
    def columns(cls, n_fields: int, embedding_size: int) -> int:
        """Return (N - 1) K: K for every other field, in the fields' order."""
        return (n_fields - 1) * embedding_size

    @classmethod
    def has_linear_part(cls, config: InteractionConfig) -> bool:
        """Return whether it was asked for."""
        return isinstance(config, FFMConfig) and config.linear

    def field_maps(self) -> tuple[MapsKey, ...]:
        """Return the columns of e_i^{->j}: block j of e_i for j < i, block j - 1 for j > i."""
        N, K = self.n_fields, self.K
        starts = [[(j if j < i else j - 1) * K for j in range(N)] for i in range(N)]
        columns = tuple(
            tuple(None if i == j else (start, start + K) for j, start in enumerate(row))
            for i, row in enumerate(starts)
        )
        return (MapsKey(layer=0, set=0, columns=columns),)

    def forward(self, e_BNC: Tensor) -> dict[str, Tensor]:
        """Return h, shape (B, 1)."""
        e_BNTK = e_BNC.view(*e_BNC.shape[:2], self.n_fields - 1, self.K)
        h: Tensor = _FieldAwareProducts.apply(e_BNTK)  # type: ignore[no-untyped-call]
        return {"logit": h}


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
    @once_differentiable
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
