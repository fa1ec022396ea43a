"""What a checkpoint of any origin is read into: embedding tables and interaction weights.

Shapes: N fields, K embedding size, M sets, D rows of a table (cardinality). In FFM K holds the N - 1
sub-embeddings of a field side by side (Appendix H).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class EmbeddingTable:
    """One field's embedding table: the sets E_i^(1) .. E_i^(M) of Section 5.1, side by side."""

    field: str
    """The field's name."""
    E: NDArray[Any]
    """The sets concatenated along the columns, as in Figure 8b: shape (D, M K), floating."""
    sets: int
    """The number of sets, M."""
    row_counts: NDArray[np.int64] | None = None
    """How often each row was looked up in training, shape (D,); None if the checkpoint does not tell."""
    sub_embeddings: int = 1
    """How many sub-embeddings, each a table of its own, lie side by side in one set: N - 1 in FFM."""

    def __post_init__(self) -> None:
        if self.E.ndim != 2 or self.E.shape[0] < 1 or self.E.shape[1] < 1:
            raise ValueError(f"the table of field {self.field!r} has shape {self.E.shape}, not (D, M K)")
        if self.sets < 1 or self.E.shape[1] % self.sets:
            raise ValueError(
                f"the {self.E.shape[1]} columns of field {self.field!r} are not {self.sets} equal sets"
            )
        if self.sub_embeddings < 1 or self.embedding_size % self.sub_embeddings:
            raise ValueError(
                f"the {self.embedding_size} columns of a set of field {self.field!r} are not "
                f"{self.sub_embeddings} equal sub-embeddings"
            )
        if self.row_counts is not None and self.row_counts.shape != (self.cardinality,):
            raise ValueError(f"field {self.field!r} has {self.cardinality} rows and other row counts")

    @property
    def cardinality(self) -> int:
        """The number of rows, D."""
        return int(self.E.shape[0])

    @property
    def embedding_size(self) -> int:
        """The number of columns of one set, K."""
        return int(self.E.shape[1]) // self.sets

    def set(self, m: int) -> NDArray[Any]:
        """Return set m, from 0, as a view of shape (D, K)."""
        K = self.embedding_size
        return self.E[:, m * K : (m + 1) * K]


@dataclass(frozen=True, kw_only=True)
class InteractionWeights:
    """The projections W_{i->j} of one layer of one set's interaction (Section 4.1)."""

    W: NDArray[Any]
    """The whole matrix, shape (N K, N K), acting as y = W x on the concatenated fields."""
    fields: int
    """The number of fields, N."""
    layer: int
    """The layer, from 0."""
    set: int
    """The set, from 0."""

    def __post_init__(self) -> None:
        if self.W.ndim != 2 or self.W.shape[0] != self.W.shape[1] or self.W.shape[0] % self.fields:
            raise ValueError(f"weights of shape {self.W.shape} are no K x K block a pair of {self.fields} fields")

    @property
    def blocks(self) -> NDArray[Any]:
        """Every W_{i->j} as a view indexed [i, j], shape (N, N, K, K): E_i^{->j} = E_i W_{i->j}^T."""
        N = self.fields
        K = self.W.shape[0] // N
        return self.W.reshape(N, K, N, K).transpose(2, 0, 1, 3)


@dataclass(frozen=True, kw_only=True)
class TableSet:
    """Everything that the analysis takes from one checkpoint."""

    name: str
    """What to call it in a legend: the model with its size."""
    source: str
    """Where it was read from."""
    tables: tuple[EmbeddingTable, ...]
    """One table a field, in the model's order."""
    interactions: tuple[InteractionWeights, ...] = ()
    """The projections of every layer and set; empty if the model has none."""
    description: Mapping[str, str] = field(default_factory=dict)
    """What to tell beside a number: data set, epoch, seeds."""

    def __iter__(self) -> Iterator[EmbeddingTable]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    @property
    def fields(self) -> tuple[str, ...]:
        """The field names, in the model's order."""
        return tuple(table.field for table in self.tables)

    @property
    def sets(self) -> int:
        """The number of sets, M."""
        return self.tables[0].sets

    @property
    def embedding_size(self) -> int:
        """The embedding size of one set, K."""
        return self.tables[0].embedding_size

    def layer(self, layer: int) -> tuple[InteractionWeights, ...]:
        """Return the projections of one layer, a set each, in the order of the sets."""
        return tuple(sorted((w for w in self.interactions if w.layer == layer), key=lambda w: w.set))
