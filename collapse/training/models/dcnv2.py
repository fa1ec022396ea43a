"""DCNv2's stacked cross layers, the paper's main subject, and their regularised forms (Evidence III).

Shapes: B batch, N fields, K embedding size.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from collapse.training.model_config import ModelConfig
from collapse.training.models.interaction import MLP_OPTIONS, Interaction
from collapse.training.models.regularisers import block_norms, unitary_penalty


class CrossNetwork(Interaction):
    """x_{l+1} = x_0 * (W_l x_l + b_l) + x_l, with x_0 the fields' embeddings side by side.

    Block [j, i] of W_l is the projection W_{i->j} of Section 4.1. W starts xavier-uniform and b at 0, as in the
    paper's code.

    With `regularised`, the text's penalty sum_ij ||W_ij^T W_ij - lambda_ij I||_F^2 with learned lambda_ij is the
    default. The paper's code multiplies instead, with learned n_ij: the layer takes n_ij W_ij, and the penalty is
    ||W_ij W_ij^T - I||_F^2; ``reading="code"``. Both enter with the code's weight of 1e-5, over all layers. lambda
    starts at its best value for the first W, tr(W^T W) / K, and n at 1, on which both are silent.
    """

    reference: ClassVar[str] = "Wang et al., WWW 2021"
    options: ClassVar[frozenset[str]] = MLP_OPTIONS | {"cross_layers", "regularised", "reading"}

    def __init__(self, fields: int, config: ModelConfig) -> None:
        super().__init__(fields, config)
        self.width = fields * self.K
        layers = [nn.Linear(self.width, self.width) for _ in range(config.cross_layers)]
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)
        self.penalty_weight = config.penalty_weight
        self.lambdas: nn.ParameterList | None = None
        self.factors: nn.ParameterList | None = None
        if config.regularised and config.reading == "text":
            squared = (block_norms(layer.weight.detach(), fields).square() for layer in layers)
            self.lambdas = nn.ParameterList(each / self.K for each in squared)
        elif config.regularised:
            self.factors = nn.ParameterList(torch.ones(fields, fields) for _ in layers)

    def forward(self, e_BNC: Tensor) -> Tensor:
        """Return x_L, shape (B, N K)."""
        x_0 = e_BNC.reshape(len(e_BNC), self.width)
        x = x_0
        for number in range(len(self.layers)):
            y = nn.functional.linear(x, self._W(number), self.get_parameter(f"layers.{number}.bias"))
            # In place: a fused addcmul would cost its backward pass two products more.
            x = (x_0 * y).add_(x)
        return x

    def _W(self, number: int) -> Tensor:
        """Return W of one layer, in the code's reading with every W_ij times its n_ij."""
        W = self.get_parameter(f"layers.{number}.weight")
        if self.factors is None:
            return W
        blocks_NKNK = W.view(self.fields, self.K, self.fields, self.K)
        n_NN = self.get_parameter(f"factors.{number}")
        return (blocks_NKNK * n_NN[:, None, :, None]).view(self.width, self.width)

    def penalty(self) -> Tensor | None:
        """Return the weighted regularisation; None without `regularised`."""
        weights = [self.get_parameter(key) for key in self.projections().values()]
        if self.lambdas is not None:
            terms = [unitary_penalty(W, lambda_NN) for W, lambda_NN in zip(weights, self.lambdas, strict=True)]
        elif self.factors is not None:
            terms = [
                unitary_penalty(W, torch.ones_like(n_NN)) for W, n_NN in zip(weights, self.factors, strict=True)
            ]
        else:
            return None
        return self.penalty_weight * torch.stack(terms).sum()

    def projections(self) -> dict[int, str]:
        """Name the weight of every cross layer."""
        return {number: f"layers.{number}.weight" for number in range(len(self.layers))}

    def projection_factors(self) -> dict[int, str]:
        """Name the n_ij of every cross layer, where the code's reading has them."""
        return {} if self.factors is None else {number: f"factors.{number}" for number in range(len(self.layers))}
