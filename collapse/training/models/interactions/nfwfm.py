"""Neural field-weighted factorization machine: NFM's pooling with a weight for every pair of fields.

Shapes: B batch, N fields, K embedding size.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from collapse.training.models.config import MLPConfig
from collapse.training.models.dropout import Dropout
from collapse.training.models.interaction import Interaction


@dataclass(frozen=True, kw_only=True)
class NFwFMConfig(MLPConfig):
    """NFwFM's settings."""

    base_size: ClassVar[int] = 50


class NFwFM(Interaction):
    """h = Dropout(BatchNorm(sum_ij r_ij e_i * e_j)), over all i and j.

    FwFM weighs the pairs i < j; the full N x N weight, the normalisation and the dropout are the paper's code's.
    The base size is 50 (Appendix C.2: "considering the pooling"), and ``--embedding-size 10`` gives the size of
    the other models. The weights start xavier-uniform, on which the text is silent.
    """

    reference: ClassVar[str] = "Pan et al., WWW 2018, in He & Chua, SIGIR 2017"
    config_class = NFwFMConfig

    def __init__(self, n_fields: int, embedding_size: int, config: NFwFMConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        self.widths = {"h": embedding_size}
        self.r_NN = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_fields, n_fields)))
        self.normalise = nn.Sequential(nn.BatchNorm1d(embedding_size), Dropout(config.dropout))

    def forward(self, e_BNK: Tensor) -> dict[str, Tensor]:
        """Return h, the weighted pool, shape (B, K), without a tensor of pairs."""
        pooled_BK = (e_BNK * (self.r_NN @ e_BNK)).sum(1)
        return {"h": self.normalise(pooled_BK)}
