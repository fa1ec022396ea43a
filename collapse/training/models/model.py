"""The model: h_s^(m) = I^(m)(E^(m)[x])_s, z_s = mean over m of P_s^(m)(h_s^(m)), logit = Head(z).

Shapes: B batch, N fields, M sets, C columns of one set.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from collapse.errors import CollapseError
from collapse.io.checkpoint.schema import Layout, MapsKey, TableKey
from collapse.training.models.config import ModelConfig
from collapse.training.models.embedding import FusedEmbedding
from collapse.training.models.interaction import Interaction
from collapse.training.models.layers import projected_of_sets
from collapse.training.models.registry import interaction_class
from collapse.training.models.regularisers import alignment_penalty
from collapse.training.models.sized_embedding import SizedEmbedding
from collapse.training.models.table_penalties import table_penalty

_FEW_ROWS = 1024
"""Rows of a batch below which all sets are computed at once. With more, one set at a time stays in the cache."""


class MultiEmbeddingModel(nn.Module):
    """A model of M embedding sets, each with its own interaction (Section 5.1).

    M = 1 is the single-embedding model. The non-linear projection P after each interaction is the first layer of
    the MLP, and the rest of the MLP has one layer fewer. With M = 1 the model is exactly the plain baseline.

    With ``interactions="shared"`` all sets pass through one interaction and one projection, as in the paper's code
    for Figure 10d. With ``"aligned"`` a penalty pulls the norms of the sets' W_{i->j} together.

    Parameters
    ----------
    cardinalities : sequence of int
        Rows D_i of every field's table.
    config : ModelConfig
        Settings of the model.

    Attributes
    ----------
    layout : Layout
        Positions of every field's tables and maps in the state dict.
    """

    embedding: Any
    """A `FusedEmbedding`, or a `SizedEmbedding` if the fields have sizes of their own."""

    def __init__(self, cardinalities: Sequence[int], config: ModelConfig) -> None:
        super().__init__()
        N, K, M = len(cardinalities), config.embedding_size, config.sets
        kind, own = interaction_class(config.model), config.interaction
        self.config = config
        self.copies = 1 if config.interactions == "shared" else M
        self.embedding = _embedding(cardinalities, config)
        self.linear = FusedEmbedding(cardinalities, [1], 1) if kind.has_linear_part(own) else None
        interactions = [kind(N, K, own) for _ in range(self.copies)]
        widths = interactions[0].widths
        self.interactions = nn.ModuleList(interactions)
        self.projections = nn.ModuleList(
            nn.ModuleDict({s: kind.head_class.projection(s, width, own) for s, width in widths.items()})
            for _ in range(self.copies)
        )
        self.head = kind.head_class(widths, own)
        tables = (
            self.embedding.layout()
            if isinstance(self.embedding, SizedEmbedding)
            else _fused_tables(cardinalities, kind.columns(N, K), M)
        )
        self.layout = Layout(tables=tables, maps=_maps(M, interactions))
        # Finding them anew in every step takes longer than a small layer.
        self._own = tuple(self.parameters())
        self._of_sets = (*self.interactions.modules(), *self.projections.modules())

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Begin a step: no parameter has a gradient, except the embedding's reused one, which is zero."""
        if set_to_none:
            for parameter in self._own:
                parameter.grad = None
        else:
            super().zero_grad(set_to_none)
        self.embedding.start()

    def forward(self, ids_BN: Tensor) -> Tensor:
        """Predict.

        Parameters
        ----------
        ids_BN : Tensor
            For every field the row of its own table, shape (B, N), int32.

        Returns
        -------
        Tensor
            Logits of label 1, shape (B,).
        """
        e_sets = self.embedding(ids_BN)
        z = self._at_once(e_sets) if self._is_small(ids_BN) else self._one_by_one(e_sets)
        logits: Tensor = self.head(z)
        return logits if self.linear is None else logits + self.linear(ids_BN)[0].sum((1, 2))

    def _one_by_one(self, e_sets: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return z_s, the mean over the sets of the projected streams."""
        sets: list[dict[str, Tensor]] = []
        for m, e_BNC in enumerate(e_sets):
            h = self.interactions[m % self.copies](e_BNC)
            projections = self.projections[m % self.copies]
            sets.append({s: projections[s](h_s) for s, h_s in h.items()})  # type: ignore[index]
        return sets[0] if len(sets) == 1 else {s: _mean([of[s] for of in sets]) for s in sets[0]}

    def _at_once(self, e_sets: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the same, with one call of an operator for all sets."""
        h = type(self.interactions[0]).of_sets(list(self.interactions), torch.stack(list(e_sets)))  # type: ignore[attr-defined]
        projections = [dict(each.items()) for each in self.projections]  # type: ignore[operator]
        return {s: projected_of_sets([each[s] for each in projections], h_s).mean(0) for s, h_s in h.items()}

    def _is_small(self, ids_BN: Tensor) -> bool:
        """Return whether all sets are to be computed at once: with few rows, and if nobody watches a module."""
        return (
            self.copies > 1
            and len(ids_BN) < _FEW_ROWS
            and not any(module._forward_hooks or module._forward_pre_hooks for module in self._of_sets)  # noqa: SLF001
        )

    def penalty(self, ids_BN: Tensor | None = None) -> Tensor | None:
        """Return the penalty that is added to the loss, without weight decay, as a scalar; None if there is none.

        Parameters
        ----------
        ids_BN : Tensor, optional
            The batch, as `forward` takes it, for a penalty on the embeddings that it looks up.
        """
        terms = [term for each in self.interactions if (term := each.penalty()) is not None]  # type: ignore[operator]
        if self.config.interactions == "aligned":
            layers = zip(*(each.projections() for each in self.interactions), strict=True)  # type: ignore[operator]
            aligned = [alignment_penalty(W_sets, self.interactions[0].n_fields) for W_sets in layers]  # type: ignore[arg-type]
            terms.append(self.config.alignment_weight * torch.stack(aligned).sum())
        if self.config.table_penalty != "none" and ids_BN is not None:
            of_batch = table_penalty(self.config.table_penalty, self.embedding(ids_BN))
            terms.append(self.config.table_penalty_weight * of_batch)
        return torch.stack(terms).sum() if terms else None


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    """Return the mean of tensors, summed in place. A stack would take more passes over memory."""
    total = tensors[0] + tensors[1]
    for tensor in tensors[2:]:
        total += tensor
    return total.div_(len(tensors))


def _embedding(cardinalities: Sequence[int], config: ModelConfig) -> FusedEmbedding | SizedEmbedding:
    N, K, sizes = len(cardinalities), config.embedding_size, config.size_of_fields
    columns = interaction_class(config.model).columns(N, K)
    if not sizes:
        return FusedEmbedding(cardinalities, [K] * (columns // K), config.sets)
    if columns != K:
        raise CollapseError(f"{config.model} has one embedding per pair of fields, which field_sizes cannot size")
    if len(sizes) != N:
        raise CollapseError(f"field_sizes has {len(sizes)} sizes, but the data set has {N} fields")
    return SizedEmbedding(cardinalities, sizes, K, config.sets)


def _fused_tables(cardinalities: Sequence[int], columns: int, sets: int) -> tuple[TableKey, ...]:
    ends = list(accumulate(cardinalities))
    return tuple(
        TableKey(
            field=i,
            set=m,
            key="embedding.weight",
            rows=(end - D, end),
            columns=(m * columns, (m + 1) * columns),
        )
        for i, (D, end) in enumerate(zip(cardinalities, ends, strict=True))
        for m in range(sets)
    )


def _maps(sets: int, interactions: Sequence[Interaction]) -> tuple[MapsKey, ...]:
    def of_set(key: str | None, m: int) -> str | None:
        return None if key is None else f"interactions.{m % len(interactions)}.{key}"

    return tuple(
        replace(key, set=m, weight=of_set(key.weight, m), factors=of_set(key.factors, m))
        for m in range(sets)
        for key in interactions[m % len(interactions)].field_maps()
    )
