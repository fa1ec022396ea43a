"""Heads: from the streams of all sets to the logit, including the projection P_s of each stream in a set.

z_s = mean over m of P_s^(m)(h_s^(m)); logit = Head(z). Shapes: B batch, H hidden units.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from collapse.training.models.layers import HiddenLayer, hidden_layers


class Head(nn.Module, ABC):
    """Combines the averaged streams.

    Parameters
    ----------
    widths : mapping of str to int
        Size of every stream h_s of the interaction.
    config : InteractionConfig
        Settings of the interaction.
    """

    def __init__(self, widths: Mapping[str, int], config: Any) -> None:  # noqa: ARG002
        super().__init__()

    @classmethod
    def projection(cls, stream: str, width: int, config: Any) -> nn.Module:  # noqa: ARG003
        """Build P_s of one set. By default it is the identity."""
        return nn.Identity()

    @abstractmethod
    def forward(self, z: dict[str, Tensor]) -> Tensor:
        """Return the logit, shape (B,)."""


class Tower(Head):
    """logit = MLP(z_h): the common form of Section 5.1, where the projection is the first layer of the MLP."""

    def __init__(self, widths: Mapping[str, int], config: Any) -> None:
        super().__init__(widths, config)
        self.mlp = _rest_of_mlp(config)

    @classmethod
    def projection(cls, stream: str, width: int, config: Any) -> nn.Module:  # noqa: ARG003
        """Build the first hidden layer."""
        return HiddenLayer(width, config)

    def forward(self, z: dict[str, Tensor]) -> Tensor:
        """Return the logit, shape (B,)."""
        logits: Tensor = self.mlp(z["h"])
        return logits.squeeze(1)


class TowerAndLogit(Head):
    """logit = MLP(z_deep) + <w, z_explicit>: a DNN in parallel with an explicit interaction.

    The outputs are averaged over the sets. This is Appendix C.2's description of xDeepFM. The paper does not
    describe AutoInt, which is treated in the same way.
    """

    def __init__(self, widths: Mapping[str, int], config: Any) -> None:
        super().__init__(widths, config)
        self.mlp = _rest_of_mlp(config)
        self.w = nn.Linear(widths["explicit"], 1, bias=False)

    @classmethod
    def projection(cls, stream: str, width: int, config: Any) -> nn.Module:
        """Build the first hidden layer of the DNN. The explicit stream has no projection."""
        return HiddenLayer(width, config) if stream == "deep" else nn.Identity()

    def forward(self, z: dict[str, Tensor]) -> Tensor:
        """Return the logit, shape (B,)."""
        logits: Tensor = self.mlp(z["deep"]) + self.w(z["explicit"])
        return logits.squeeze(1)


class BilinearFusion(Head):
    """logit = b + <w, [z_1, z_2]> + sum_h z_1h^T W_3h z_2h: FinalMLP's fusion of two averaged MLPs."""

    def __init__(self, widths: Mapping[str, int], config: Any) -> None:
        super().__init__(widths, config)
        self.w = nn.Linear(2 * config.hidden, 1)
        self.heads = config.fusion_heads
        # The blocks W_3h of all heads, stacked.
        self.W_3 = nn.Parameter(torch.zeros(config.hidden, config.hidden // self.heads))
        if config.fusion_start == "xavier":
            # FinalMLP's own initialisation: W_3 as a single column, which keeps z_1^T W_3 z_2 at the size of one
            # product.
            nn.init.xavier_normal_(self.W_3.detach().view(-1, 1))

    @classmethod
    def projection(cls, stream: str, width: int, config: Any) -> nn.Module:  # noqa: ARG003
        """Build the stream's whole MLP. The fusion is its output layer."""
        return hidden_layers(width, config, config.depth - 1)

    def forward(self, z: dict[str, Tensor]) -> Tensor:
        """Return the logit, shape (B,)."""
        z_1, z_2 = z["first"], z["second"]
        w_1, w_2 = self.w.weight[0].chunk(2)
        # w_1 and W_3 both multiply z_1: <z_1, w_1> + <z_1 W_3, z_2> + <z_2, w_2> avoids [z_1, z_2].
        return ((self._through(z_1) + w_2) * z_2).sum(1) + z_1 @ w_1 + self.w.bias

    def _through(self, z_1: Tensor) -> Tensor:
        """Return [z_1h W_3h] of all heads, shape (B, H)."""
        if self.heads == 1:
            return z_1 @ self.W_3
        blocks = self.W_3.view(self.heads, -1, self.W_3.shape[1])
        return torch.einsum("bhi,hij->bhj", z_1.view(len(z_1), self.heads, -1), blocks).flatten(1)


class LogitHead(Head):
    """logit = z_logit + b: the stream is already the logit, up to a learned constant."""

    def __init__(self, widths: Mapping[str, int], config: Any) -> None:
        super().__init__(widths, config)
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, z: dict[str, Tensor]) -> Tensor:
        """Return the logit, shape (B,)."""
        return z["logit"].squeeze(1) + self.b


def _rest_of_mlp(config: Any) -> nn.Sequential:
    """Build the MLP without its first hidden layer, which is the projection before the mean over sets."""
    return nn.Sequential(*hidden_layers(config.hidden, config, config.depth - 2), nn.Linear(config.hidden, 1))
