"""Factorization machine, for which Section 4.1 derives the interaction-collapse theory.

Shapes: B batch, N fields, K embedding size.
"""

from typing import ClassVar

from torch import Tensor

from collapse.training.models.config import InteractionConfig
from collapse.training.models.heads import LogitHead
from collapse.training.models.interaction import Interaction


class FM(Interaction):
    """h = sum_{j < i} <e_i, e_j> = (||sum_i e_i||^2 - sum_i ||e_i||^2) / 2.

    This is the form of Section 4.1, without a linear part. It is bilinear: by Appendix E, M sets are equivalent to
    one set of size M K, up to the factor 1 / M of the mean.
    """

    reference: ClassVar[str] = "Rendle, ICDM 2010"
    config_class = InteractionConfig
    head_class = LogitHead

    def __init__(self, n_fields: int, embedding_size: int, config: InteractionConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        self.widths = {"logit": 1}

    def forward(self, e_BNK: Tensor) -> dict[str, Tensor]:
        """Return h, shape (B, 1)."""
        of_sum, of_each = e_BNK.sum(1).square().sum(1), e_BNK.flatten(1).square().sum(1)
        return {"logit": (of_sum - of_each).unsqueeze(1) / 2}
