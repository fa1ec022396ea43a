"""DCNv2's stacked cross layers (Wang et al., WWW 2021), the paper's main subject.

Shapes: B batch, N fields, K embedding size.
"""

from torch import Tensor, nn

from collapse.training.config import ModelConfig
from collapse.training.models.interaction import Interaction, register


@register("dcnv2")
class CrossNetwork(Interaction):
    """x_{l+1} = x_0 * (W_l x_l + b_l) + x_l, with x_0 the fields' embeddings side by side.

    Block [j, i] of W_l is the projection W_{i->j} of Section 4.1. W starts xavier-uniform and b at 0, as in the
    paper's code.
    """

    def __init__(self, fields: int, config: ModelConfig) -> None:
        super().__init__(fields, config)
        self.width = fields * self.K
        layers = [nn.Linear(self.width, self.width) for _ in range(config.cross_layers)]
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)

    def forward(self, e_BNK: Tensor) -> Tensor:
        """Return x_L, shape (B, N K)."""
        x_0 = e_BNK.reshape(len(e_BNK), self.width)
        x = x_0
        for layer in self.layers:
            # In place: a fused addcmul would cost its backward pass two products more.
            x = (x_0 * layer(x)).add_(x)
        return x

    def projections(self) -> dict[int, str]:
        """Name the weight of every cross layer."""
        return {number: f"layers.{number}.weight" for number in range(len(self.layers))}
