"""Cross network of DCNv2, the paper's main subject, and its regularised forms (Evidence III).

Shapes: B batch, N fields, K embedding size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from collapse.bounds import Count, NotNegative
from collapse.io.checkpoint.schema import MapsKey
from collapse.training.models.config import MLPConfig
from collapse.training.models.interaction import Interaction
from collapse.training.models.kernels.padding import padded, vector_padding
from collapse.training.models.regularisers import block_norms, unitary_penalty

_WEIGHTS = {"lambda": 1e-3, "factor": 1e-5}
"""Weights at which projections become nearly unitary. On all flights at K = 40, their mean distance from a
multiple of a unitary matrix falls from 0.76 to 0.27 with lambda and to 0.24 with factor; lambda with a weight of
1e-5 leaves 0.69 (``python -m benchmarks.treatments``)."""

_STACKED_WIDTH = 256
"""Largest width N K whose weights are stacked for one product of all sets. Copying larger ones takes longer than
the calls of one product per set."""


@dataclass(frozen=True, kw_only=True)
class CrossConfig(MLPConfig):
    """Settings of DCNv2."""

    cross_layers: Count = 4
    """Number of cross layers."""
    regularised: Literal["no", "lambda", "factor"] = "no"
    """Push projections W_ij towards multiples of unitary matrices: lambda is the form in the paper's text, factor
    the one in its code."""
    penalty_weight: NotNegative = 0.0
    """Weight of this penalty. 0 means a weight that takes effect: 1e-3 for lambda, and the 1e-5 of the paper's
    code for factor."""

    @property
    def weight(self) -> float:
        """Weight of the penalty, where 0 is replaced by the default of the form."""
        return self.penalty_weight or _WEIGHTS.get(self.regularised, 0.0)


class CrossNetwork(Interaction):
    """x_{l+1} = x_0 * (W_l x_l + b_l) + x_l, where x_0 is the concatenation of the fields' embeddings.

    Block [j, i] of W_l is the projection W_{i->j} of Section 4.1. W is initialised xavier-uniform and b with 0, as
    in the paper's code.

    ``regularised=lambda`` adds sum_ij ||W_ij^T W_ij - lambda_ij I||_F^2 with learned lambda_ij to the loss, as in
    the paper's text. ``regularised=factor`` follows the paper's code: the layer uses n_ij W_ij with learned n_ij,
    and the penalty is ||W_ij W_ij^T - I||_F^2. Both are summed over all layers. Neither source gives initial
    values: lambda starts at its optimum for the initial W, tr(W^T W) / K, and n at 1.
    """

    reference: ClassVar[str] = "Wang et al., WWW 2021"
    config_class = CrossConfig

    def __init__(self, n_fields: int, embedding_size: int, config: CrossConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        width = n_fields * embedding_size
        self.widths = {"h": width}
        layers = [nn.Linear(width, width) for _ in range(config.cross_layers)]
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)
        self.penalty_weight = config.weight
        self.lambdas: nn.ParameterList | None = None
        self.factors: nn.ParameterList | None = None
        if config.regularised == "lambda":
            squared = (block_norms(layer.weight.detach(), n_fields).square() for layer in layers)
            self.lambdas = nn.ParameterList(each / embedding_size for each in squared)
        elif config.regularised == "factor":
            self.factors = nn.ParameterList(torch.ones(n_fields, n_fields) for _ in layers)

    def forward(self, e_BNK: Tensor) -> dict[str, Tensor]:
        """Return h = x_L, shape (B, N K), padded with zeros to whole vectors for a faster next product."""
        more = vector_padding(self.widths["h"], len(e_BNK))
        x_0 = x = padded(e_BNK.flatten(1), 0, more)
        for W, layer in zip(self.projections(), self.layers, strict=True):
            y = F.linear(x, padded(W, more, more), padded(layer.bias, more))  # type: ignore[arg-type]
            # In place: the backward pass of a fused addcmul would take two more products.
            x = (x_0 * y).add_(x)
        return {"h": x}

    @classmethod
    def of_sets(cls, interactions: Sequence[Self], e_MBNC: Tensor) -> dict[str, Tensor]:
        """Return h of all sets, shape (M, B, N K), with one product per layer if the weights are small."""
        if e_MBNC[0, 0].numel() > _STACKED_WIDTH:
            return super().of_sets(interactions, e_MBNC)
        x_0 = x = e_MBNC.flatten(2)
        weights = zip(*(each.projections() for each in interactions), strict=True)
        biases = zip(*([layer.bias for layer in each.layers] for each in interactions), strict=True)
        for W_M, b_M in zip(weights, biases, strict=True):
            b_M1C, W_MCC = torch.stack(b_M).unsqueeze(1), torch.stack(W_M)
            x = (x_0 * torch.baddbmm(b_M1C, x, W_MCC.transpose(1, 2))).add_(x)
        return {"h": x}

    def projections(self) -> list[Tensor]:
        """Return W of every layer, with each W_ij multiplied by n_ij if there are n_ij."""
        weights = self._weights()
        if self.factors is None:
            return weights
        return [_with_factors(W, n_NN) for W, n_NN in zip(weights, self.factors, strict=True)]

    def penalty(self) -> Tensor | None:
        """Return the weighted regularisation, or None."""
        if self.lambdas is not None:
            targets = list(self.lambdas)
        elif self.factors is not None:
            targets = [torch.ones_like(n_NN) for n_NN in self.factors]
        else:
            return None
        terms = [unitary_penalty(W, target) for W, target in zip(self._weights(), targets, strict=True)]
        return self.penalty_weight * torch.stack(terms).sum()

    def field_maps(self) -> tuple[MapsKey, ...]:
        """Return the state-dict keys of W and n for every layer."""
        return tuple(
            MapsKey(
                layer=n,
                set=0,
                weight=f"layers.{n}.weight",
                factors=None if self.factors is None else f"factors.{n}",
            )
            for n in range(len(self.layers))
        )

    def _weights(self) -> list[Tensor]:
        return [self.get_parameter(f"layers.{n}.weight") for n in range(len(self.layers))]


def _with_factors(W: Tensor, n_NN: Tensor) -> Tensor:
    N, K = len(n_NN), len(W) // len(n_NN)
    return (W.view(N, K, N, K) * n_NN[:, None, :, None]).view_as(W)
