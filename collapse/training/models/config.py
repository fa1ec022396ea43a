"""The settings of the one model; those of an interaction stand in the interaction's file.

The defaults are the settings of Section 5.2 and Appendix C.2.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from collapse.bounds import Count, CountFrom0, CountFrom2, Dropped, Positive
from collapse.settings import Settings, require, written

TablePenalty = Literal["none", "spectral", "vicreg", "uniformity"]
"""Those of `collapse.training.models.table_penalties`, which needs torch."""


@dataclass(frozen=True, kw_only=True)
class InteractionConfig(Settings):
    """An interaction without settings; one that has some adds them as fields."""

    base_size: ClassVar[int] = 10
    """The embedding size K that is scaled up."""


@dataclass(frozen=True, kw_only=True)
class MLPConfig(InteractionConfig):
    """The MLP behind an interaction."""

    hidden: Count = 400
    """Units of every hidden layer of the MLP."""
    depth: CountFrom2 = 3
    """Layers of the MLP with its output layer; the projection of ME counts as its first (Section 5.1)."""
    dropout: Dropped = 0.2
    """Share of hidden units dropped; the paper's code has 0.2, its text is silent."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Settings):
    """The one model: an interaction, its embedding size, and its sets.

    `collapse.training.models.registry.model_config` builds one from a name.
    """

    model: str
    """The interaction: a name that `collapse models` lists, or ``module:Class`` for one of your own."""
    interaction: InteractionConfig
    """The interaction's own settings."""
    embedding_size: CountFrom0 = 0
    """The embedding size K of one set; 0 stands for the model's base size: 10, of NFwFM 50, of FFM 8."""
    sets: Count = 1
    """Embedding sets M, each with its own interaction: multi-embedding (ME) scaling (Section 5.1)."""
    interactions: Literal["separate", "shared", "aligned"] = "separate"
    """Of the sets of ME: separate, one shared by all, or separate with aligned norms (Figures 10c, 10d)."""
    alignment_weight: Positive = 1e-3
    """Weight of the penalty that aligns the norms; the paper's text gives none, its code has another form."""
    table_penalty: TablePenalty = "none"
    """A penalty on what a batch looks up: spectral, vicreg or uniformity; the paper has none."""
    table_penalty_weight: Positive = 0.01
    """Its weight."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.embedding_size == 0:
            object.__setattr__(self, "embedding_size", self.interaction.base_size)
        require(
            self.interactions == "separate" or self.sets > 1,
            f"{self.interactions} interactions need 2 sets or more, and sets is {self.sets}",
        )

    @property
    def name(self) -> str:
        """The model, its size and whatever differs from its defaults; `model_config` reads it back.

        ``dcnv2-20`` is SE with K = 20, ``dcnv2-10x4,interactions=shared`` ME with 4 sets of K = 10 and one
        interaction, ``dcnv2-10,cross_layers=8`` the baseline with more layers.
        """
        size = f"-{self.embedding_size}" + (f"x{self.sets}" if self.sets > 1 else "")
        common = {key: value for key, value in self.differing().items() if key in VARIANTS}
        words = [f"{key}={written(value)}" for key, value in {**common, **self.interaction.differing()}.items()]
        return ",".join([self.model + size, *words])


VARIANTS = ("interactions", "alignment_weight", "table_penalty", "table_penalty_weight")
"""The settings of every model that a name spells out, beside its size."""
