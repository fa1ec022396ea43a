"""Product-based network with inner products.

Shapes: B batch, N fields, K embedding size, P = N (N - 1) / 2 pairs.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from collapse.training.models.config import MLPConfig
from collapse.training.models.interaction import Interaction
from collapse.training.models.kernels.padding import vector_padding
from collapse.training.models.kernels.products import InnerProducts


@dataclass(frozen=True, kw_only=True)
class IPNNConfig(MLPConfig):
    """Settings of IPNN."""

    embeddings: bool = True
    """Pass the embeddings to the MLP next to the products. The paper's code does so in SE but not in ME."""


class IPNN(Interaction):
    """h = [e_1, ..., e_N, <e_i, e_j> for i < j].

    The paper's text only names the method, which passes embeddings and products to the MLP. This is the default
    for every M, so that M = 1 is the SE model. The paper's code drops the embeddings in ME: ``embeddings=false``.
    """

    reference: ClassVar[str] = "Qu et al., ICDM 2016"
    config_class = IPNNConfig
    pairs: Tensor
    pair_of: Tensor

    def __init__(self, n_fields: int, embedding_size: int, config: IPNNConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        self.with_embeddings = config.embeddings
        i, j = torch.triu_indices(n_fields, n_fields, offset=1, device="cpu")
        self.register_buffer("pairs", i * n_fields + j, persistent=False)
        pair_of = torch.zeros(n_fields, n_fields, dtype=torch.long, device="cpu")
        pair_of[i, j] = pair_of[j, i] = torch.arange(len(i), device="cpu")
        self.register_buffer("pair_of", pair_of.flatten(), persistent=False)
        self.widths = {"h": len(i) + (n_fields * embedding_size if config.embeddings else 0)}

    def forward(self, e_BNK: Tensor) -> dict[str, Tensor]:
        """Return h, shape (B, N K + P), or (B, P) for products only, padded with zeros to whole vectors."""
        products_BP: Tensor = InnerProducts.apply(e_BNK, self.pairs, self.pair_of)  # type: ignore[no-untyped-call]
        zeros = e_BNK.new_zeros(len(e_BNK), vector_padding(self.widths["h"], len(e_BNK)))
        embeddings = [e_BNK.flatten(1)] if self.with_embeddings else []
        return {"h": torch.cat([*embeddings, products_BP, zeros], dim=1)}
