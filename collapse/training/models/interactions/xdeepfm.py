"""xDeepFM: a compressed interaction network (CIN) beside a DNN.

Shapes: B batch, N fields, K embedding size, H maps of a layer, P maps of the layer before it.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from collapse.settings import count
from collapse.training.models.config import MLPConfig
from collapse.training.models.heads import TowerAndLogit
from collapse.training.models.interaction import Interaction
from collapse.training.models.layers import beyond_a_vector, padded


@dataclass(frozen=True, kw_only=True)
class XDeepFMConfig(MLPConfig):
    """xDeepFM's settings."""

    cin_layers: int = count(2)
    """CIN layers."""
    maps: int = count(16)
    """Maps of a CIN layer (Appendix C.2: "hidden size 16")."""


class XDeepFM(Interaction):
    """h = sum over K of [X_1, ..., X_L], X_{l+1,h} = ReLU(sum_pn W_hpn X_{l,p} * e_n); a DNN beside it.

    ReLU, all maps of a layer feeding both the next layer and the output, and no linear part are the paper's
    code's.
    """

    reference: ClassVar[str] = "Lian et al., KDD 2018"
    config_class = XDeepFMConfig
    head_class = TowerAndLogit

    def __init__(self, n_fields: int, embedding_size: int, config: XDeepFMConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        self.widths = {"deep": n_fields * embedding_size, "explicit": config.cin_layers * config.maps}
        # As a linear layer from the products of maps and fields, each row of which is one output map.
        inputs = (n_fields, *[config.maps] * (config.cin_layers - 1))
        self.layers = nn.ModuleList(nn.Linear(n_fields * P, config.maps) for P in inputs)

    def forward(self, e_BNK: Tensor) -> dict[str, Tensor]:
        """Return the embeddings, shape (B, N K), and the sums of all maps, shape (B, L H).

        One product with all of W, then one with the layer before: the (B, P N, K) products are never formed.
        """
        more = beyond_a_vector(self.n_fields)
        x_BKP = e_BKN = padded(e_BNK.mT, more).contiguous()
        sums = []
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            W_HPN = layer.weight.view(layer.out_features, -1, self.n_fields)
            W_HPN = padded(W_HPN, x_BKP.shape[2] - W_HPN.shape[1], more)
            mixed_BKHP = (e_BKN @ W_HPN.flatten(0, 1).T).view(*x_BKP.shape[:2], *W_HPN.shape[:2])
            x_BKP = torch.relu((mixed_BKHP @ x_BKP.unsqueeze(3)).squeeze(3) + layer.bias)
            sums.append(x_BKP.sum(1))
        return {"deep": e_BNK.flatten(1), "explicit": torch.cat(sums, dim=1)}
