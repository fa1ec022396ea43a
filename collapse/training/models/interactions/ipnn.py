"""The product-based network with inner products.

Shapes: B batch, N fields, K embedding size, P = N (N - 1) / 2 pairs.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from collapse.training.models.config import MLPConfig
from collapse.training.models.interaction import Interaction
from collapse.training.models.layers import beyond_a_vector


@dataclass(frozen=True, kw_only=True)
class IPNNConfig(MLPConfig):
    """IPNN's settings."""

    embeddings: bool = True
    """Whether the MLP gets the embeddings beside the products; the paper's code has them in SE and not in ME."""


class IPNN(Interaction):
    """h = [e_1, ..., e_N, <e_i, e_j> for i < j].

    The paper's text names the method alone, which feeds embeddings and products to the MLP; that is the default
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
        """Return h, shape (B, N K + P), or (B, P) of products alone, and zeros up to whole vectors."""
        products_BP: Tensor = _InnerProducts.apply(e_BNK, self.pairs, self.pair_of)  # type: ignore[no-untyped-call]
        zeros = e_BNK.new_zeros(len(e_BNK), beyond_a_vector(self.widths["h"]))
        embeddings = [e_BNK.flatten(1)] if self.with_embeddings else []
        return {"h": torch.cat([*embeddings, products_BP, zeros], dim=1)}


class _InnerProducts(torch.autograd.Function):
    """<e_i, e_j> for i < j out of E E^T; its gradient is G E, G symmetric with a zero diagonal, in one product."""

    @staticmethod
    def forward(ctx: Any, e_BNK: Tensor, pairs: Tensor, pair_of: Tensor) -> Tensor:
        ctx.save_for_backward(e_BNK, pair_of)
        return (e_BNK @ e_BNK.mT).flatten(1).index_select(1, pairs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        e_BNK, pair_of = ctx.saved_tensors
        B, N, _ = e_BNK.shape
        if not gradients[0].shape[1]:
            return torch.zeros_like(e_BNK), None, None
        G_BNN = gradients[0].index_select(1, pair_of).view(B, N, N)
        G_BNN.diagonal(dim1=1, dim2=2).zero_()
        return G_BNN @ e_BNK.to(G_BNN.dtype), None, None
