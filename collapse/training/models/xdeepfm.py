"""xDeepFM: a compressed interaction network (CIN) beside a DNN.

Shapes: B batch, N fields, K embedding size, H maps of a layer, P maps of the layer before it.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from collapse.training.model_config import ModelConfig
from collapse.training.models.beside_dnn import BesideDNN

LAYERS, MAPS = 2, 16


class XDeepFM(BesideDNN):
    """x = sum over K of [X_1, ..., X_L], X_{l+1,h} = ReLU(sum_pn W_hpn X_{l,p} * e_n), beside a DNN.

    Two layers of 16 maps (Appendix C.2: "hidden size 16"). ReLU, all maps of a layer feeding both the next layer
    and the output, and no linear part are the paper's code's.
    """

    reference: ClassVar[str] = "Lian et al., KDD 2018"

    def __init__(self, fields: int, config: ModelConfig) -> None:
        super().__init__(fields, config, LAYERS * MAPS)
        # As a linear layer from the maps' products, each row of which is one output map.
        self.layers = nn.ModuleList(nn.Linear(fields * maps, MAPS) for maps in (fields, *[MAPS] * (LAYERS - 1)))

    def explicit(self, e_BNK: Tensor) -> Tensor:
        """Return the sums of all maps, shape (B, L H).

        One product with all of W, then one with the layer before: the (B, P N, K) products are never formed.
        """
        e_BKN = e_BNK.mT.contiguous()
        x_BKP = e_BKN
        sums = []
        for layer in self.layers:
            W_HPN = layer.weight.unflatten(1, (-1, self.fields))  # type: ignore[operator]
            mixed_BKHP = (e_BKN @ W_HPN.flatten(0, 1).T).unflatten(2, W_HPN.shape[:2])
            x_BKP = torch.relu((mixed_BKHP @ x_BKP.unsqueeze(3)).squeeze(3) + layer.bias)
            sums.append(x_BKP.sum(1))
        return torch.cat(sums, dim=1)
