"""A run in one value: model, optimiser, stopping rule, data and seeds, checked when built.

The defaults are the settings of Section 5.2 and Appendix C.2.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import inf
from typing import Any

from collapse.errors import CollapseError
from collapse.training.model_config import ModelConfig, require


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
        require(
            0 < self.learning_rate < inf, f"learning_rate is {self.learning_rate}; it is greater than 0 and finite"
        )
        require(
            0 <= self.weight_decay < inf, f"weight_decay is {self.weight_decay}; it is 0 or greater and finite"
        )
        require(
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
            require(0 <= value < 2**32, f"the {name} seed is {value}; it is a number from 0 to {2**32 - 1}")


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
        require(self.precision in known, f"precision is {self.precision!r}; it is one of {', '.join(known)}")
        require(self.epochs >= 1, f"epochs is {self.epochs}; it is a count of 1 or more")
        require(self.patience >= 1, f"patience is {self.patience}; it is a count of 1 or more")

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
