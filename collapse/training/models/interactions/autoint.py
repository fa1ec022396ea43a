"""AutoInt: self-attention over the fields, with a DNN in parallel (Appendix D).

Shapes: B batch, N fields, K embedding size, H heads, A units a head, I inputs of a layer (K, then H A).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from collapse.bounds import Count
from collapse.training.models.config import MLPConfig
from collapse.training.models.heads import TowerAndLogit
from collapse.training.models.interaction import Interaction
from collapse.training.models.kernels.attention import Attention
from collapse.training.models.kernels.padding import padded, vector_padding


@dataclass(frozen=True, kw_only=True)
class AutoIntConfig(MLPConfig):
    """Settings of AutoInt."""

    attention_layers: Count = 3
    """Number of attention layers."""
    heads: Count = 2
    """Number of heads per layer."""
    units: Count = 32
    """Units per head."""


class AutoInt(Interaction):
    """h = concatenated fields after X_{l+1} = ReLU(LayerNorm(Attention(X_l) + W_res X_l)), with a DNN in parallel.

    Three layers of two heads with 32 units and unscaled products are AutoInt's own settings. The normalisation and
    the DNN are from the paper's code. In ME it is treated like xDeepFM in Appendix C.2, which does not describe
    AutoInt.
    """

    reference: ClassVar[str] = "Song et al., CIKM 2019"
    config_class = AutoIntConfig
    head_class = TowerAndLogit

    def __init__(self, n_fields: int, embedding_size: int, config: AutoIntConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        size = config.heads * config.units
        self.widths = {"deep": n_fields * embedding_size, "explicit": n_fields * size}
        inputs = (embedding_size, *[size] * (config.attention_layers - 1))
        self.layers = nn.ModuleList(AttentionLayer(each, config.heads, config.units) for each in inputs)

    def forward(self, e_BNK: Tensor) -> dict[str, Tensor]:
        """Return the embeddings, shape (B, N K), and the attended fields, shape (B, N H A)."""
        x_BNI = e_BNK
        for layer in self.layers:
            x_BNI = layer(x_BNI)
        return {"deep": e_BNK.flatten(1), "explicit": x_BNI.flatten(1)}


class AttentionLayer(nn.Module):
    """Multi-head self-attention over the fields with a projected residual.

    Parameters
    ----------
    inputs : int
        Input size I of every field.
    heads, units : int
        Number of heads H, and units A per head.
    """

    def __init__(self, inputs: int, heads: int, units: int) -> None:
        super().__init__()
        self.heads = heads
        self.all_four = nn.Linear(inputs, 4 * heads * units, bias=False)
        self.normalise = nn.LayerNorm(heads * units)

    def forward(self, x_BNI: Tensor) -> Tensor:
        """Return every field's attended features, shape (B, N, H A)."""
        more = vector_padding(x_BNI.shape[2])
        all_four = F.linear(padded(x_BNI, more), padded(self.all_four.weight, more))
        attended: Tensor = Attention.apply(all_four, self.heads)  # type: ignore[no-untyped-call]
        normalised: Tensor = self.normalise(attended)
        return torch.relu(normalised)
