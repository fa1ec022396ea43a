"""AutoInt: self-attention over the fields, beside a DNN (Appendix D).

Shapes: B batch, N fields, K embedding size, H heads, A units a head, I inputs of a layer (K, then H A).
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from collapse.training.model_config import ModelConfig
from collapse.training.models.beside_dnn import BesideDNN

LAYERS, HEADS, UNITS = 3, 2, 32


class AutoInt(BesideDNN):
    """x = attended fields side by side, X_{l+1} = ReLU(LayerNorm(Attention(X_l) + W_res X_l)), beside a DNN.

    Three layers of two heads of 32 units and unscaled products are AutoInt's own settings; the normalisation and
    the DNN branch are the paper's code's. ME treats it as Appendix C.2 does xDeepFM; of AutoInt it is silent.
    """

    reference: ClassVar[str] = "Song et al., CIKM 2019"

    def __init__(self, fields: int, config: ModelConfig) -> None:
        super().__init__(fields, config, fields * HEADS * UNITS)
        sizes = (self.K, *[HEADS * UNITS] * (LAYERS - 1))
        self.layers = nn.ModuleList(AttentionLayer(inputs) for inputs in sizes)

    def explicit(self, e_BNK: Tensor) -> Tensor:
        """Return the attended fields, shape (B, N H A)."""
        x_BNI = e_BNK
        for layer in self.layers:
            x_BNI = layer(x_BNI)
        return x_BNI.flatten(1)


class AttentionLayer(nn.Module):
    """Multi-head self-attention over the fields with a projected residual.

    Parameters
    ----------
    inputs : int
        Size I of every field's input.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.all_four = nn.Linear(inputs, 4 * HEADS * UNITS, bias=False)
        self.normalise = nn.LayerNorm(HEADS * UNITS)

    def forward(self, x_BNI: Tensor) -> Tensor:
        """Return every field's attended features, shape (B, N, H A)."""
        *qkv, residual_BNI = self.all_four(x_BNI).chunk(4, dim=2)
        q_BHNA, k_BHNA, v_BHNA = (part.unflatten(2, (HEADS, UNITS)).transpose(1, 2) for part in qkv)
        attended_BHNA = F.scaled_dot_product_attention(q_BHNA, k_BHNA, v_BHNA, scale=1.0)
        normalised: Tensor = self.normalise(attended_BHNA.transpose(1, 2).flatten(2) + residual_BNI)
        return torch.relu(normalised)
