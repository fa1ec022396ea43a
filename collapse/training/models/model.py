"""The one model: h^(m) = Projection^(m)(I^(m)(E^(m)[x])), h = mean of h^(m), logit = Tower(h).

Shapes: B batch, N fields, K embedding size, M sets.
"""

import torch
from torch import Tensor, nn

from collapse.checkpoint import Layout, ProjectionKey
from collapse.training.config import ModelConfig
from collapse.training.models.dropout import Dropout
from collapse.training.models.embedding import FusedEmbedding
from collapse.training.models.interaction import build_interaction


def hidden_layer(inputs: int, config: ModelConfig) -> nn.Sequential:
    """Build one hidden layer: linear, batch normalisation, ReLU, dropout.

    Parameters
    ----------
    inputs : int
        Size of the input.
    config : ModelConfig
        Gives the number of units and the dropout.

    Returns
    -------
    nn.Sequential
        From (B, inputs) to (B, hidden).
    """
    return nn.Sequential(
        nn.Linear(inputs, config.hidden),
        nn.BatchNorm1d(config.hidden),
        nn.ReLU(inplace=True),
        Dropout(config.dropout),
    )


class MultiEmbeddingModel(nn.Module):
    """A model of M embedding sets with an interaction each (Section 5.1); M = 1 is the single-embedding model.

    The non-linear projection after each interaction is the first layer of the MLP, and the tower has one layer
    fewer for it; with M = 1 nothing is added to the plain baseline and nothing is missing from it.

    Parameters
    ----------
    cardinalities : list of int
        Rows D_i of every field's table.
    config : ModelConfig
        The model's settings.

    Attributes
    ----------
    layout : Layout
        Which tensors of the state dict are the embedding and the projections W_{i->j}.
    """

    def __init__(self, cardinalities: list[int], config: ModelConfig) -> None:
        super().__init__()
        self.embedding = FusedEmbedding(cardinalities, config.K, config.sets)
        interactions = [build_interaction(len(cardinalities), config) for _ in range(config.sets)]
        self.interactions = nn.ModuleList(interactions)
        self.projections = nn.ModuleList(hidden_layer(each.width, config) for each in interactions)
        self.tower = nn.Sequential(
            *(hidden_layer(config.hidden, config) for _ in range(config.depth - 2)),
            nn.Linear(config.hidden, 1),
        )
        self.layout = Layout(
            embedding="embedding.weight",
            sets=config.sets,
            embedding_size=config.K,
            projections=tuple(
                ProjectionKey(key=f"interactions.{m}.{key}", set=m, layer=layer)
                for m, interaction in enumerate(interactions)
                for layer, key in interaction.projections().items()
            ),
        )

    def forward(self, ids_BN: Tensor) -> Tensor:
        """Predict.

        Parameters
        ----------
        ids_BN : Tensor
            Row of its own field's table for every field, shape (B, N), int32.

        Returns
        -------
        Tensor
            The logit of the label being 1, shape (B,).
        """
        sets = zip(self.projections, self.interactions, self.embedding(ids_BN), strict=True)
        h_sets = [projection(interaction(e_BNK)) for projection, interaction, e_BNK in sets]
        h = h_sets[0] if len(h_sets) == 1 else torch.stack(h_sets).mean(0)
        logits: Tensor = self.tower(h).squeeze(1)
        return logits
