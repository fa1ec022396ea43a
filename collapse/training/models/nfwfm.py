"""Neural field-weighted factorization machine: NFM's pooling with a weight for every pair of fields.

Shapes: B batch, N fields, K embedding size.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from collapse.training.model_config import ModelConfig
from collapse.training.models.dropout import Dropout
from collapse.training.models.interaction import Interaction


class NFwFM(Interaction):
    """h = Dropout(BatchNorm(sum_ij r_ij e_i * e_j)), over all i and j.

    FwFM weighs the pairs i < j; the full N x N weight, the normalisation and the dropout are the paper's code's.
    The base size is 50 (Appendix C.2: "considering the pooling"); `embedding_size` gives any other. The weights
    start xavier-uniform, on which the text is silent.
    """

    reference: ClassVar[str] = "Pan et al., WWW 2018, in He & Chua, SIGIR 2017"

    def __init__(self, fields: int, config: ModelConfig) -> None:
        super().__init__(fields, config)
        self.width = self.K
        self.r_NN = nn.Parameter(nn.init.xavier_uniform_(torch.empty(fields, fields)))
        self.normalise = nn.Sequential(nn.BatchNorm1d(self.K), Dropout(config.dropout))

    def forward(self, e_BNC: Tensor) -> Tensor:
        """Return the weighted pool, shape (B, K), without a tensor of pairs."""
        pooled_BK = (e_BNC * (self.r_NN @ e_BNC)).sum(1)
        h: Tensor = self.normalise(pooled_BK)
        return h
