"""FinalMLP: two MLPs over the same embeddings, joined by a bilinear fusion.

Shapes: B batch, N fields, K embedding size.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from collapse.bounds import Count
from collapse.errors import CollapseError
from collapse.training.models.config import MLPConfig
from collapse.training.models.heads import BilinearFusion
from collapse.training.models.interaction import Interaction


@dataclass(frozen=True, kw_only=True)
class FinalMLPConfig(MLPConfig):
    """Settings of FinalMLP."""

    feature_selection: bool = True
    """Give each MLP gates over its input. The paper's code has none."""
    fusion_start: Literal["xavier", "zero"] = "xavier"
    """Initial value of the fusion matrix W_3: xavier-normal as a single column, or zero as in the paper's code."""
    fusion_heads: Count = 1
    """Number of heads of the fusion, which must divide the hidden units. W_3 is block-diagonal with one block per
    head. The paper does not mention heads."""

    def __post_init__(self) -> None:
        """Check that the heads divide the hidden units."""
        super().__post_init__()
        if self.hidden % self.fusion_heads:
            raise CollapseError(
                f"fusion_heads must divide hidden, got {self.fusion_heads} heads and {self.hidden} hidden units"
            )


class FinalMLP(Interaction):
    """o_s = MLP_s(2 sigma(g_s) * [e_1, ..., e_N]), s = 1, 2; logit = b + <w, [o_1, o_2]> + sum_h o_1h^T W_3h o_2h.

    The paper's text only names the method, so the default includes its feature selection. The method's gates
    depend on context features that the user chooses, or on a learned constant, as here; the gates g are then
    learned constants too. They start at 0, which selects nothing. The paper's code has no feature selection and
    initialises W_3 with 0: ``feature_selection=false``, ``fusion_start=zero``. In ME the outputs of the MLPs are
    averaged (Appendix C.2).

    With one head, W_3 has hidden^2 numbers, and o_1 and o_2 are positive. A step of Adam that moves all of them by
    the learning rate moves the logit by about 0.16 hidden^2 times that, which is 25 at the usual settings. After a
    few steps the model can be worse than a constant. Several heads divide this by their number.
    """

    reference: ClassVar[str] = "Mao et al., AAAI 2023"
    config_class = FinalMLPConfig
    head_class = BilinearFusion

    def __init__(self, n_fields: int, embedding_size: int, config: FinalMLPConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        self.widths = dict.fromkeys(("first", "second"), n_fields * embedding_size)
        self.gates = nn.Parameter(torch.zeros(2, n_fields * embedding_size)) if config.feature_selection else None

    def forward(self, e_BNK: Tensor) -> dict[str, Tensor]:
        """Return the inputs of both streams, each of shape (B, N K)."""
        e = e_BNK.flatten(1)
        first, second = (e, e) if self.gates is None else (e * gate for gate in 2 * torch.sigmoid(self.gates))
        return {"first": first, "second": second}
