"""The one model: h^(m) = Projection^(m)(I^(m)(E^(m)[x])), h = mean of h^(m), logit = Tower(h).

Shapes: B batch, N fields, K embedding size, M sets, C columns of one set.
"""

import torch
from torch import Tensor, nn

from collapse.checkpoint import Layout, ProjectionKey
from collapse.errors import CollapseError
from collapse.training.model_config import ModelConfig
from collapse.training.models.embedding import FusedEmbedding
from collapse.training.models.interaction import Interaction
from collapse.training.models.regularisers import alignment_penalty
from collapse.training.registry import build_interaction, interaction_class


class MultiEmbeddingModel(nn.Module):
    """A model of M embedding sets with an interaction each (Section 5.1); M = 1 is the single-embedding model.

    The non-linear projection after each interaction is the first layer of the MLP, and the tower has one layer
    fewer for it; with M = 1 nothing is added to the plain baseline and nothing is missing from it.

    With ``interactions="shared"`` all sets pass through one interaction and one projection, as in the paper's code
    for Figure 10d; with ``"aligned"`` a penalty draws the norms of the sets' W_{i->j} together.

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

    Raises
    ------
    CollapseError
        If there is no such model, or it does not take a setting that was given.
    """

    def __init__(self, cardinalities: list[int], config: ModelConfig) -> None:
        super().__init__()
        N, M = len(cardinalities), config.sets
        self.config = config
        self.copies = 1 if config.interactions == "shared" else M
        kind = interaction_class(config.model)
        self.embedding = FusedEmbedding(cardinalities, config.embedding_size, M, kind.sub_embeddings(N))
        self.linear = FusedEmbedding(cardinalities, 1, 1) if kind.has_linear_part(config) else None
        interactions = [build_interaction(N, config) for _ in range(self.copies)]
        first = interactions[0]
        if config.interactions == "aligned" and not first.projections():
            raise CollapseError(f"{config.model} has no projections W_i->j whose norms could be aligned")
        self.interactions = nn.ModuleList(interactions)
        self.projections = nn.ModuleList(each.projection(config) for each in interactions)
        self.tower = first.tower(config)
        self.layout = _layout(interactions, config, N)

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
        h_sets = [
            self.projections[m % self.copies](self.interactions[m % self.copies](e_BNC))
            for m, e_BNC in enumerate(self.embedding(ids_BN))
        ]
        h = h_sets[0] if len(h_sets) == 1 else torch.stack(h_sets).mean(0)
        logits: Tensor = self.tower(h).squeeze(1)
        return logits if self.linear is None else logits + self.linear(ids_BN)[0].sum((1, 2))

    def penalty(self) -> Tensor | None:
        """Return what is added to the loss beside weight decay, a scalar; None for nothing."""
        terms = [term for each in self.interactions if (term := each.penalty()) is not None]  # type: ignore[operator]
        if self.config.interactions == "aligned":
            aligned = [alignment_penalty(W_sets, self._fields) for W_sets in self._projections_by_layer()]
            terms.append(self.config.penalty_weight * torch.stack(aligned).sum())
        return torch.stack(terms).sum() if terms else None

    @property
    def _fields(self) -> int:
        return len(self.embedding.offsets)

    def _projections_by_layer(self) -> list[list[Tensor]]:
        layers: dict[int, list[Tensor]] = {}
        for item in self.layout.projections:
            W: Tensor = self.get_parameter(item.key)
            if item.factors is not None:
                K, n_NN = self.config.embedding_size, self.get_parameter(item.factors)
                W = W * n_NN.repeat_interleave(K, 0).repeat_interleave(K, 1)
            layers.setdefault(item.layer, []).append(W)
        return list(layers.values())


def _layout(interactions: list[Interaction], config: ModelConfig, fields: int) -> Layout:
    keys = []
    for m in range(config.sets):
        prefix = f"interactions.{m % len(interactions)}."
        interaction = interactions[m % len(interactions)]
        factors = interaction.projection_factors()
        keys += [
            ProjectionKey(
                key=prefix + key, set=m, layer=layer, factors=prefix + factors[layer] if layer in factors else None
            )
            for layer, key in interaction.projections().items()
        ]
    return Layout(
        embedding="embedding.weight",
        sets=config.sets,
        embedding_size=config.embedding_size,
        sub_embeddings=interactions[0].sub_embeddings(fields),
        projections=tuple(keys),
    )
