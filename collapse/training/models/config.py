"""Settings that all models have. The settings of an interaction are in its own file.

The defaults are the settings of Section 5.2 and Appendix C.2.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from collapse.bounds import Count, CountFrom0, CountFrom2, Dropped, Positive
from collapse.settings import Settings, require, written

TablePenalty = Literal["none", "spectral", "vicreg", "uniformity"]
"""The penalties in `collapse.training.models.table_penalties`, which imports torch."""


@dataclass(frozen=True, kw_only=True)
class InteractionConfig(Settings):
    """Settings of an interaction; each interaction adds its own as fields."""

    base_size: ClassVar[int] = 10
    """Base embedding size K, which scaling multiplies."""


@dataclass(frozen=True, kw_only=True)
class MLPConfig(InteractionConfig):
    """Settings of the MLP that follows an interaction."""

    hidden: Count = 400
    """Units in each hidden layer of the MLP."""
    depth: CountFrom2 = 3
    """Number of layers of the MLP, including the output layer. In ME, the projection is the first (Section
    5.1)."""
    dropout: Dropped = 0.2
    """Fraction of hidden units to drop. The paper's code has 0.2; its text does not say."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Settings):
    """Settings of a model: its interaction, its embedding size and its sets.

    `collapse.training.models.registry.model_config` builds them from a name.
    """

    model: str
    """The interaction: a name that `collapse models` lists, or ``module:Class``."""
    interaction: InteractionConfig
    """Settings of the interaction."""
    embedding_size: CountFrom0 = 0
    """Embedding size K of one set. 0 means the base size of the model: 10, but 50 for NFwFM and 8 for FFM."""
    sets: Count = 1
    """Number M of embedding sets, each with its own interaction (multi-embedding scaling, ME, Section 5.1)."""
    interactions: Literal["separate", "shared", "aligned"] = "separate"
    """Interactions of the sets in ME: separate, one shared by all sets, or separate with aligned norms (Figures
    10c and 10d)."""
    alignment_weight: Positive = 1e-3
    """Weight of the penalty that aligns the norms. The paper's text gives no weight, and its code has another
    form."""
    table_penalty: TablePenalty = "none"
    """Penalty on the embeddings that a batch looks up: spectral, vicreg or uniformity. The paper has none."""
    table_penalty_weight: Positive = 0.01
    """Weight of the table penalty."""
    field_sizes: str = ""
    """Sizes of the fields' tables, in the data set's order, joined by +. Each is projected to the embedding size
    after the lookup. Empty means that all have the embedding size."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.embedding_size == 0:
            object.__setattr__(self, "embedding_size", self.interaction.base_size)
        require(
            self.interactions == "separate" or self.sets > 1,
            f"{self.interactions} interactions need sets to be at least 2, got {self.sets}",
        )
        require(
            not self.field_sizes or re.fullmatch(r"[1-9][0-9]*(\+[1-9][0-9]*)*", self.field_sizes) is not None,
            f"field_sizes must be counts joined by +, such as 4+10+2, got {self.field_sizes[:60]!r}",
        )
        largest = max(self.size_of_fields, default=0)
        require(
            largest <= self.embedding_size,
            f"the size of a field must be at most the embedding size, {self.embedding_size}, got {largest}",
        )

    @property
    def size_of_fields(self) -> tuple[int, ...]:
        """The sizes of the fields; empty if all have the embedding size."""
        return tuple(int(size) for size in self.field_sizes.split("+")) if self.field_sizes else ()

    @property
    def name(self) -> str:
        """The interaction, its size and all settings that differ from their defaults; `model_config` parses it.

        ``dcnv2-20`` is SE with K = 20. ``dcnv2-10x4,interactions=shared`` is ME with 4 sets of K = 10 and one
        interaction. ``dcnv2-10,cross_layers=8`` has more cross layers.
        """
        size = f"-{self.embedding_size}" + (f"x{self.sets}" if self.sets > 1 else "")
        common = {key: value for key, value in self.differing().items() if key in VARIANTS}
        words = [f"{key}={written(value)}" for key, value in {**common, **self.interaction.differing()}.items()]
        return ",".join([self.model + size, *words])


VARIANTS = ("interactions", "alignment_weight", "table_penalty", "table_penalty_weight", "field_sizes")
"""Settings of all models that a name includes, apart from the size."""
