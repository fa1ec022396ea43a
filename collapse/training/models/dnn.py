"""The plain deep network: fields side by side (Section 4.2, Evidence IV).

Shapes: B batch, N fields, K embedding size.
"""

from typing import ClassVar

from torch import Tensor

from collapse.training.model_config import ModelConfig
from collapse.training.models.interaction import Interaction


class DNN(Interaction):
    """h = [e_1, ..., e_N], left to the MLP."""

    reference: ClassVar[str] = "Covington et al., RecSys 2016"

    def __init__(self, fields: int, config: ModelConfig) -> None:
        super().__init__(fields, config)
        self.width = fields * self.K

    def forward(self, e_BNC: Tensor) -> Tensor:
        """Return the embeddings side by side, shape (B, N K)."""
        return e_BNC.flatten(1)
