"""The product-based network with inner products.

Shapes: B batch, N fields, K embedding size, P = N (N - 1) / 2 pairs.
"""

from typing import ClassVar

import torch
from torch import Tensor

from collapse.training.model_config import ModelConfig
from collapse.training.models.interaction import MLP_OPTIONS, Interaction


class IPNN(Interaction):
    """h = [e_1, ..., e_N, <e_i, e_j> for i < j].

    The paper's text names the method alone, which feeds embeddings and products to the MLP; that is the default
    for every M, so that M = 1 is the SE model. The paper's code drops the embeddings in ME: ``reading="code"``.
    """

    reference: ClassVar[str] = "Qu et al., ICDM 2016"
    options: ClassVar[frozenset[str]] = MLP_OPTIONS | {"reading"}
    pairs: Tensor

    def __init__(self, fields: int, config: ModelConfig) -> None:
        super().__init__(fields, config)
        self.products_alone = config.reading == "code" and config.sets > 1
        i, j = torch.triu_indices(fields, fields, offset=1, device="cpu")
        self.register_buffer("pairs", i * fields + j, persistent=False)
        self.width = len(i) + (0 if self.products_alone else fields * self.K)

    def forward(self, e_BNC: Tensor) -> Tensor:
        """Return embeddings and products side by side, shape (B, N K + P), or products alone, (B, P)."""
        products_BP = (e_BNC @ e_BNC.mT).flatten(1).index_select(1, self.pairs)
        return products_BP if self.products_alone else torch.cat([e_BNC.flatten(1), products_BP], dim=1)
