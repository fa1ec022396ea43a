"""Neural field-weighted factorization machine: the pooling of NFM with a weight for every pair of fields.

Shapes: B batch, N fields, K embedding size, R columns, one per direction of a row.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from collapse.training.models.config import MLPConfig
from collapse.training.models.interaction import Interaction
from collapse.training.models.kernels.dropout import Dropout
from collapse.training.models.kernels.padding import columns_in_cache, padded, vector_padding
from collapse.training.models.kernels.products import WeightedPool


@dataclass(frozen=True, kw_only=True)
class NFwFMConfig(MLPConfig):
    """Settings of NFwFM."""

    base_size: ClassVar[int] = 50


class NFwFM(Interaction):
    """h = Dropout(BatchNorm(sum_ij r_ij e_i * e_j)), over all i and j.

    FwFM weights only the pairs i < j. The full N x N weights, the normalisation and the dropout are from the
    paper's code. The base size is 50 (Appendix C.2: "considering the pooling"); ``--embedding-size 10`` gives the
    size of the other models. The weights are initialised xavier-uniform; the text does not say.
    """

    reference: ClassVar[str] = "Pan et al., WWW 2018, in He & Chua, SIGIR 2017"
    config_class = NFwFMConfig

    def __init__(self, n_fields: int, embedding_size: int, config: NFwFMConfig) -> None:
        super().__init__(n_fields, embedding_size, config)
        self.widths = {"h": embedding_size}
        self.r_NN = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_fields, n_fields)))
        self.normalise = nn.Sequential(nn.BatchNorm1d(embedding_size), Dropout(config.dropout))

    def forward(self, e_BNK: Tensor) -> dict[str, Tensor]:
        """Return h, the weighted pool, shape (B, K), without forming a tensor of pairs."""
        more = vector_padding(self.n_fields)
        r_NN = padded(self.r_NN, more, more)
        pooled = [WeightedPool.apply(e_NR, r_NN) for e_NR in columns_in_cache(e_BNK)]  # type: ignore[no-untyped-call]
        return {"h": self.normalise(torch.cat(pooled).view(-1, self.K))}
