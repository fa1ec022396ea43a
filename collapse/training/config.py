"""A run in one value: model, optimiser, stopping rule, data and seeds, checked when built.

The defaults are the settings of Section 5.2 and Appendix C.2.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import inf
from typing import Any

from collapse.errors import CollapseError


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise CollapseError(what)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The one model: an interaction, its embedding size and sets, and the tower."""

    model: str = "dcnv2"
    """The interaction, by its name in `collapse.training.models`."""
    embedding_size: int = 10
    """The base embedding size; Appendix C.2 has 10."""
    scale: int = 1
    """How many times the base size a set's embeddings have: single-embedding (SE) scaling."""
    sets: int = 1
    """The number of embedding sets M: multi-embedding (ME) scaling (Section 5.1)."""
    cross_layers: int = 4
    """Cross layers of DCNv2."""
    hidden: int = 400
    """Units of every hidden layer of the MLP."""
    depth: int = 3
    """Layers of the MLP with its output layer; with the projection of ME counted as its first."""
    dropout: float = 0.2
    """Share of hidden units dropped; the paper's code has 0.2, its text is silent."""

    def __post_init__(self) -> None:
        for name in ("embedding_size", "scale", "sets", "cross_layers", "hidden"):
            value = getattr(self, name)
            _require(value >= 1, f"{name} is {value}; it is a count of 1 or more")
        _require(self.depth >= 2, f"depth is {self.depth}; the MLP has a hidden and an output layer at least")
        _require(0 <= self.dropout < 1, f"dropout is {self.dropout}; it is a share from 0 to less than 1")

    @property
    def K(self) -> int:
        """The embedding size of one set: the base size times the scale."""
        return self.embedding_size * self.scale

    @property
    def name(self) -> str:
        """The model with its size: ``dcnv2-20`` (SE, K = 20), ``dcnv2-10x4`` (ME, 4 sets of K = 10)."""
        return f"{self.model}-{self.K}" + (f"x{self.sets}" if self.sets > 1 else "")


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """Adam with coupled L2 weight decay, exact for every row of every table."""

    learning_rate: float = 1e-3
    """Step size."""
    weight_decay: float = 1e-6
    """L2 penalty added to the gradient of every parameter, looked up in this batch or not."""
    batch_size: int = 2048
    """Rows a step; the last, smaller batch of an epoch is used too."""

    def __post_init__(self) -> None:
        _require(
            0 < self.learning_rate < inf, f"learning_rate is {self.learning_rate}; it is greater than 0 and finite"
        )
        _require(
            0 <= self.weight_decay < inf, f"weight_decay is {self.weight_decay}; it is 0 or greater and finite"
        )
        _require(
            self.batch_size >= 2,
            f"batch_size is {self.batch_size}; batch normalisation needs 2 rows or more",
        )


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """The three independent sources of chance of a run."""

    split: int = 0
    """Which rows are for training, validation and test."""
    initialisation: int = 0
    """The first weights, and the dropout masks."""
    order: int = 0
    """The order of the training rows, new in every epoch."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            _require(0 <= value < 2**32, f"the {name} seed is {value}; it is a number from 0 to {2**32 - 1}")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """All that a training run depends on."""

    data: str = "flights"
    """A built-in data set, or the folder of a prepared one."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """The model."""
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    """The optimiser."""
    seeds: Seeds = field(default_factory=Seeds)
    """The seeds."""
    precision: str = "float32"
    """Of the products in training: ``float32``, or ``bf16`` for bfloat16 autocast; weights stay float32."""
    epochs: int = 50
    """Epochs at most; the paper gives no limit, its early stopping ends a run long before."""
    patience: int = 3
    """Epochs without a better validation AUC after which a run stops."""

    def __post_init__(self) -> None:
        known = ("float32", "bf16")
        _require(self.precision in known, f"precision is {self.precision!r}; it is one of {', '.join(known)}")
        _require(self.epochs >= 1, f"epochs is {self.epochs}; it is a count of 1 or more")
        _require(self.patience >= 1, f"patience is {self.patience}; it is a count of 1 or more")

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration as nested plain values, as checkpoints and `config.json` hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "RunConfig":
        """Build the configuration from what `as_dict` returned.

        Parameters
        ----------
        plain : Mapping[str, Any]
            Nested plain values.

        Returns
        -------
        RunConfig
            The configuration.

        Raises
        ------
        CollapseError
            If a key is unknown or a value is out of bounds.
        """
        try:
            return cls(
                **{
                    **plain,
                    "model": ModelConfig(**plain["model"]),
                    "optimiser": OptimiserConfig(**plain["optimiser"]),
                    "seeds": Seeds(**plain["seeds"]),
                }
            )
        except (TypeError, KeyError) as error:
            raise CollapseError(f"the configuration does not fit this version: {error}") from error
