"""xDeepFM: a compressed interaction network (CIN) with a DNN in parallel.

Shapes: B batch, N fields, K embedding size, H maps of a layer, P maps of the layer before it,
R columns, one per direction of a row.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from collapse.bounds import Count
from collapse.training.models.config import MLPConfig
from collapse.training.models.heads import TowerAndLogit
from collapse.training.models.interaction import Interaction
from collapse.training.models.kernels.padding import columns_in_cache, padded, vector_padding
from collapse.training.models.kernels.products import CompressedProducts


@dataclass(frozen=True, kw_only=True)
class XDeepFMConfig(MLPConfig):
    """Settings of xDeepFM."""

    cin_layers: Count = 2
    """Number of CIN layers."""
    maps: Count = 16
    """Feature maps per CIN layer (Appendix C.2: "hidden size 16")."""


class XDeepFM(Interaction):
    """h = sum over K of [X_1, ..., X_L], X_{l+1,h} = ReLU(sum_pn W_hpn X_{l,p} * e_n), with a DNN in parallel.

    As in the paper's code, activations are ReLU, all maps of a layer feed both the next layer and the output, and
    there is no linear part.
    """

    reference: ClassVar[str] = "Lian et al., KDD 2018"
    config_class = XDeepFMConfig
    head_class = TowerAndLogit

    def __init__(self, n_fields: int, embedding_size: int, config: XDeepFMConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        self.widths = {"deep": n_fields * embedding_size, "explicit": config.cin_layers * config.maps}
        # A linear layer from the products of maps and fields, whose rows are output maps.
        inputs = (n_fields, *[config.maps] * (config.cin_layers - 1))
        self.layers = nn.ModuleList(nn.Linear(n_fields * P, config.maps) for P in inputs)

    def forward(self, e_BNK: Tensor) -> dict[str, Tensor]:
        """Return the embeddings, shape (B, N K), and the sums of all maps, shape (B, L H)."""
        weights = self._padded_weights()
        maps = torch.cat([self._maps(e_NR, weights) for e_NR in columns_in_cache(e_BNK)])
        return {"deep": e_BNK.flatten(1), "explicit": maps}

    def _padded_weights(self) -> list[Tensor]:
        """Return W of every layer, shape (H, P, N), with P and N padded to whole vectors if they equal N."""
        more = vector_padding(self.n_fields)
        weights = []
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear)
            W_HPN = layer.weight.view(layer.out_features, -1, self.n_fields)
            weights.append(padded(W_HPN, more if number == 0 else 0, more))
        return weights

    def _maps(self, e_NR: Tensor, weights: list[Tensor]) -> Tensor:
        """Return the sums of all maps, shape (R / K, L H)."""
        x_PR, sums = e_NR, []
        for W_HPN, layer in zip(weights, self.layers, strict=True):
            products_HR: Tensor = CompressedProducts.apply(x_PR, e_NR, W_HPN)  # type: ignore[no-untyped-call]
            x_PR = torch.relu(products_HR + layer.bias.unsqueeze(1))  # type: ignore[operator]
            sums.append(x_PR.view(len(x_PR), -1, self.K).sum(2))
        return torch.cat(sums).T
