"""Field-aware factorization machine: a separate table for every pair of fields (Appendix H).

Shapes: B batch, N fields, K embedding size per target field, T = N - 1 target fields, S = N T sub-embeddings.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from collapse.io.checkpoint.schema import MapsKey
from collapse.training.models.config import InteractionConfig
from collapse.training.models.heads import LogitHead
from collapse.training.models.interaction import Interaction
from collapse.training.models.kernels.products import FieldAwareProducts


@dataclass(frozen=True, kw_only=True)
class FFMConfig(InteractionConfig):
    """Settings of FFM."""

    base_size: ClassVar[int] = 8
    linear: bool = False
    """Add one learned number per value to the logit. The paper's code does; its text does not mention it."""


class FFM(Interaction):
    """h = sum_{i < j} <e_i^{->j}, e_j^{->i}>, with E_i = [E_i^{->1}, ..., E_i^{->N}] without E_i^{->i}.

    K = 8 per target field, as in the paper's code. Appendix H leaves out E_i^{->i}, which no product uses, and
    counts all (N - 1) K columns as the embedding size. The code keeps N blocks, one of which only decays.
    """

    reference: ClassVar[str] = "Juan et al., RecSys 2016"
    config_class = FFMConfig
    head_class = LogitHead
    partners: Tensor

    def __init__(self, n_fields: int, embedding_size: int, config: FFMConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        self.widths = {"logit": 1}
        i, j = (~torch.eye(n_fields, dtype=torch.bool, device="cpu")).nonzero(as_tuple=True)
        # Sub-embedding e_i^{->j} has index i T + j - (j > i) in a row. In that order, these are the e_j^{->i}.
        self.register_buffer("partners", j * (n_fields - 1) + i - (i > j).long(), persistent=False)

    @classmethod
    def columns(cls, n_fields: int, embedding_size: int) -> int:
        """Return (N - 1) K: K for every other field, in the order of the fields."""
        return (n_fields - 1) * embedding_size

    @classmethod
    def has_linear_part(cls, config: InteractionConfig) -> bool:
        """Return whether the setting asks for it."""
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
        e_BSK = e_BNC.reshape(len(e_BNC), -1, self.K)
        h: Tensor = FieldAwareProducts.apply(e_BSK, self.partners)  # type: ignore[no-untyped-call]
        return {"logit": h}
