"""Interactions that work beside a DNN branch: xDeepFM and AutoInt.

Shapes: B batch, N fields, K embedding size.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from collapse.training.model_config import ModelConfig
from collapse.training.models.interaction import Interaction
from collapse.training.models.layers import hidden_layer, rest_of_mlp


class BesideDNN(Interaction):
    """h = [e_1, ..., e_N, x]: an explicit feature x beside the embeddings; logit = MLP(e) + <w, x>.

    In ME, x is averaged over the sets as it is, and the MLP is the DNN's (Appendix C.2, for xDeepFM).

    Parameters
    ----------
    fields : int
        Number of fields N.
    config : ModelConfig
        The model's settings.
    explicit_width : int
        Size of x.
    """

    def __init__(self, fields: int, config: ModelConfig, explicit_width: int) -> None:
        super().__init__(fields, config)
        self.explicit_width = explicit_width
        self.width = fields * self.K + explicit_width

    @abstractmethod
    def explicit(self, e_BNK: Tensor) -> Tensor:
        """Return x, shape (B, explicit_width)."""

    def forward(self, e_BNC: Tensor) -> Tensor:
        """Return embeddings and explicit feature side by side, shape (B, N K + explicit_width)."""
        return torch.cat([e_BNC.flatten(1), self.explicit(e_BNC)], dim=1)

    def projection(self, config: ModelConfig) -> nn.Module:
        """Build a hidden layer for the embeddings; x passes."""
        return _HiddenBeside(self.fields * self.K, config)

    def tower(self, config: ModelConfig) -> nn.Module:
        """Build the rest of the MLP, and the weights of x."""
        return _SumOfLogits(self.explicit_width, config)


class _HiddenBeside(nn.Module):
    """From (B, inputs + explicit_width) to (B, hidden + explicit_width)."""

    def __init__(self, inputs: int, config: ModelConfig) -> None:
        super().__init__()
        self.inputs = inputs
        self.hidden = hidden_layer(inputs, config)

    def forward(self, h: Tensor) -> Tensor:
        return torch.cat([self.hidden(h[:, : self.inputs]), h[:, self.inputs :]], dim=1)


class _SumOfLogits(nn.Module):
    """From (B, hidden + explicit_width) to (B, 1)."""

    def __init__(self, explicit_width: int, config: ModelConfig) -> None:
        super().__init__()
        self.units = config.hidden
        self.mlp = rest_of_mlp(config)
        self.weights = nn.Linear(explicit_width, 1, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        logits: Tensor = self.mlp(h[:, : self.units]) + self.weights(h[:, self.units :])
        return logits
