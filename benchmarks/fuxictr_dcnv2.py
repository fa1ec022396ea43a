"""FuxiCTR's DCNv2 in its stacked form, built from FuxiCTR's layers (``pip install fuxictr``)."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from fuxictr.features import FeatureMap
from fuxictr.pytorch.layers import CrossNetV2, FeatureEmbedding, MLP_Block
from numpy.typing import NDArray
from torch import Tensor, nn

from collapse.training.models.interactions.dcnv2 import CrossConfig
from collapse.training.runs.config import RunConfig


class StackedDCNv2(nn.Module):
    """An embedding layer a field, the cross network, the MLP.

    Parameters
    ----------
    cardinalities : list of int
        Rows of every field's table.
    config : RunConfig
        A run of our DCNv2, whose sizes are taken.
    """

    def __init__(self, cardinalities: list[int], config: RunConfig) -> None:
        super().__init__()
        own, K = config.model.interaction, config.model.embedding_size
        assert isinstance(own, CrossConfig)
        features = FeatureMap("benchmark", ".")
        for n, D in enumerate(cardinalities):
            features.features[f"C{n}"] = {"source": "", "type": "categorical", "vocab_size": D}
        width = len(cardinalities) * K
        self.names = list(features.features)
        self.embedding = FeatureEmbedding(features, K)
        self.cross = CrossNetV2(width, own.cross_layers)
        self.mlp = MLP_Block(
            width,
            hidden_units=[own.hidden] * (own.depth - 1),
            output_dim=1,
            dropout_rates=own.dropout,
            batch_norm=True,
        )

    def forward(self, ids_BN: Tensor) -> Tensor:
        """Return the logit, shape (B,)."""
        of_fields = dict(zip(self.names, ids_BN.unbind(1), strict=True))
        logits: Tensor = self.mlp(self.cross(self.embedding(of_fields, flatten_emb=True)))
        return logits.squeeze(1)


def fuxictr_steps(
    ids: NDArray[np.int32], labels: NDArray[np.uint8], cardinalities: list[int], config: RunConfig
) -> Iterator[None]:
    """Train forever, one step at a time: forward, backward, the default Adam.

    Ids are slices of an array in memory.
    """
    model, batch = StackedDCNv2(cardinalities, config), config.optimiser.batch_size
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    all_ids, all_labels = torch.from_numpy(ids).long(), torch.from_numpy(labels).float()
    while True:
        for start in range(0, len(ids) - batch + 1, batch):
            optimiser.zero_grad()
            logits_B = model(all_ids[start : start + batch])
            F.binary_cross_entropy_with_logits(logits_B, all_labels[start : start + batch]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            yield
