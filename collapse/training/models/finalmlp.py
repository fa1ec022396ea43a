"""FinalMLP: two MLP streams over the same embeddings, joined by a bilinear fusion.

Shapes: B batch, N fields, K embedding size, H hidden units.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from collapse.training.model_config import ModelConfig
from collapse.training.models.interaction import MLP_OPTIONS, Interaction
from collapse.training.models.layers import hidden_layer


class FinalMLP(Interaction):
    """h = [MLP_1(2 sigma(g_1) * e), MLP_2(2 sigma(g_2) * e)]; logit = b + <w_1, o_1> + <w_2, o_2> + o_1^T W_3 o_2.

    The text names the method alone, so the default has its feature selection. Its gates see context features that
    the user picks, or a learned constant where none are picked, as here; then the gates g are learned constants
    too. They start at 0, which selects nothing, and W_3 starts xavier-uniform. The paper's code has no feature
    selection and starts W_3 at 0: ``reading="code"``. In ME each stream's output is averaged over the sets
    (Appendix C.2).
    """

    reference: ClassVar[str] = "Mao et al., AAAI 2023"
    options: ClassVar[frozenset[str]] = MLP_OPTIONS | {"reading"}

    def __init__(self, fields: int, config: ModelConfig) -> None:
        super().__init__(fields, config)
        self.width = 2 * config.hidden
        inputs = fields * self.K
        self.gates = nn.Parameter(torch.zeros(2, inputs)) if config.reading == "text" else None
        self.streams = nn.ModuleList(
            nn.Sequential(
                hidden_layer(inputs, config),
                *(hidden_layer(config.hidden, config) for _ in range(config.depth - 2)),
            )
            for _ in range(2)
        )

    def forward(self, e_BNC: Tensor) -> Tensor:
        """Return the outputs of both streams side by side, shape (B, 2 H)."""
        e = e_BNC.flatten(1)
        inputs = (e, e) if self.gates is None else [e * gate for gate in 2 * torch.sigmoid(self.gates)]
        return torch.cat([stream(x) for stream, x in zip(self.streams, inputs, strict=True)], dim=1)

    def projection(self, config: ModelConfig) -> nn.Module:  # noqa: ARG002
        """Build nothing: the streams are non-linear themselves."""
        return nn.Identity()

    def tower(self, config: ModelConfig) -> nn.Module:
        """Build the fusion."""
        return BilinearFusion(config)


class BilinearFusion(nn.Module):
    """b + <w_1, o_1> + <w_2, o_2> + o_1^T W_3 o_2.

    Parameters
    ----------
    config : ModelConfig
        Gives the streams' hidden units and the reading.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.weights = nn.Linear(2 * config.hidden, 1)
        self.W_3 = nn.Parameter(torch.zeros(config.hidden, config.hidden))
        if config.reading == "text":
            nn.init.xavier_uniform_(self.W_3)

    def forward(self, o_B2H: Tensor) -> Tensor:
        """Return the logit, shape (B, 1)."""
        o_1, o_2 = o_B2H.chunk(2, dim=1)
        logits: Tensor = self.weights(o_B2H) + ((o_1 @ self.W_3) * o_2).sum(1, keepdim=True)
        return logits
