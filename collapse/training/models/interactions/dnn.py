"""A plain deep network on the concatenated fields (Section 4.2, Evidence IV).

Shapes: B batch, N fields, K embedding size.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

from torch import Tensor

from collapse.training.models.config import MLPConfig
from collapse.training.models.interaction import Interaction


class DNN(Interaction):
    """h = [e_1, ..., e_N], without an explicit interaction."""

    reference: ClassVar[str] = "Covington et al., RecSys 2016"

    def __init__(self, n_fields: int, embedding_size: int, config: MLPConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        self.widths = {"h": n_fields * embedding_size}

    def forward(self, e_BNK: Tensor) -> dict[str, Tensor]:
        """Return h, the concatenated embeddings, shape (B, N K)."""
        return {"h": e_BNK.flatten(1)}

    @classmethod
    def of_sets(cls, interactions: Sequence[Self], e_MBNC: Tensor) -> dict[str, Tensor]:
        """Return h of all sets, shape (M, B, N K)."""
        del interactions
        return {"h": e_MBNC.flatten(2)}
