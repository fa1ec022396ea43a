"""AutoInt: self-attention over the fields, beside a DNN (Appendix D).

Shapes: B batch, N fields, K embedding size, H heads, A units a head, I inputs of a layer (K, then H A).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from collapse.settings import count
from collapse.training.models.config import MLPConfig
from collapse.training.models.heads import TowerAndLogit
from collapse.training.models.interaction import Interaction
from collapse.training.models.layers import beyond_a_vector, padded


@dataclass(frozen=True, kw_only=True)
class AutoIntConfig(MLPConfig):
    """AutoInt's settings."""

    attention_layers: int = count(3)
    """Attention layers."""
    heads: int = count(2)
    """Heads of a layer."""
    units: int = count(32)
    """Units of a head."""


class AutoInt(Interaction):
    """h = fields side by side after X_{l+1} = ReLU(LayerNorm(Attention(X_l) + W_res X_l)); a DNN beside it.

    Three layers of two heads of 32 units and unscaled products are AutoInt's own settings; the normalisation and
    the DNN branch are the paper's code's. ME treats it as Appendix C.2 does xDeepFM; of AutoInt it is silent.
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
        Size I of every field's input.
    heads, units : int
        Heads H, and units A of each.
    """

    def __init__(self, inputs: int, heads: int, units: int) -> None:
        super().__init__()
        self.heads = heads
        self.all_four = nn.Linear(inputs, 4 * heads * units, bias=False)
        self.normalise = nn.LayerNorm(heads * units)

    def forward(self, x_BNI: Tensor) -> Tensor:
        """Return every field's attended features, shape (B, N, H A)."""
        more = beyond_a_vector(x_BNI.shape[2])
        all_four = F.linear(padded(x_BNI, more), padded(self.all_four.weight, more))
        attended: Tensor = _Attention.apply(all_four, self.heads)  # type: ignore[no-untyped-call]
        normalised: Tensor = self.normalise(attended)
        return torch.relu(normalised)


class _Attention(torch.autograd.Function):
    """softmax(q k^T) v + r of every head, with q, k, v and r side by side in one tensor.

    Autograd would gather the gradients of its parts from transposed pieces, which takes longer than the products.
    """

    @staticmethod
    def forward(ctx: Any, all_four: Tensor, heads: int) -> Tensor:
        attended, weights = [], []
        for q_BNA, k_BNA, v_BNA, r_BNA in _heads(all_four, heads):
            weights_BNN = torch.softmax(q_BNA @ k_BNA.mT, dim=2).to(all_four.dtype)
            attended.append(torch.baddbmm(r_BNA, weights_BNN, v_BNA))
            weights.append(weights_BNN)
        ctx.heads = heads
        ctx.save_for_backward(all_four, *weights)
        return torch.cat(attended, dim=2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        all_four, *weights = ctx.saved_tensors
        into = torch.empty_like(all_four)
        parts = zip(
            _heads(all_four, ctx.heads),
            _heads(into, ctx.heads),
            weights,
            gradient.chunk(ctx.heads, 2),
            strict=True,
        )
        for (q_BNA, k_BNA, v_BNA, _), into_qkvr, weights_BNN, g_BNA in parts:
            products_BNN = weights_BNN * (g_BNA @ v_BNA.mT)
            scores_BNN = products_BNN.sub_(weights_BNN * products_BNN.sum(2, keepdim=True))
            found = (scores_BNN @ k_BNA, scores_BNN.mT @ q_BNA, weights_BNN.mT @ g_BNA, g_BNA)
            for part, value in zip(into_qkvr, found, strict=True):
                part.copy_(value)
        return into, None


def _heads(all_four: Tensor, heads: int) -> list[tuple[Tensor, ...]]:
    """Return views of q, k, v and r, a tuple a head, each of shape (B, N, A)."""
    B, N, _ = all_four.shape
    parts = all_four.view(B, N, 4, heads, -1)
    return [tuple(parts[:, :, n, head] for n in range(4)) for head in range(heads)]
