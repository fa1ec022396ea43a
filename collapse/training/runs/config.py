"""A run in one value: model, optimiser, stopping rule, data and seeds, checked when built.

The defaults are the settings of Section 5.2 and Appendix C.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from collapse.bounds import Count, CountFrom2, Fraction, NotNegative, Positive, Seed
from collapse.errors import CollapseError
from collapse.settings import Settings, written
from collapse.training.models.config import ModelConfig
from collapse.training.models.registry import model_config


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig(Settings):
    """Adam with coupled L2 weight decay, exact for every row of every table."""

    learning_rate: Positive = 1e-3
    """Adam's step size."""
    weight_decay: NotNegative = 1e-6
    """L2 penalty added to the gradient of every parameter, looked up in this batch or not."""
    batch_size: CountFrom2 = 2048
    """Rows a step; the last, smaller batch of an epoch is used too."""


@dataclass(frozen=True, kw_only=True)
class Seeds(Settings):
    """The three independent sources of chance of a run."""

    split: Seed = field(default=0, metadata={"flag": "split-seed"})
    """Which rows are for training, validation and test."""
    initialisation: Seed = field(default=0, metadata={"flag": "init-seed"})
    """The first weights, and the dropout masks."""
    order: Seed = field(default=0, metadata={"flag": "order-seed"})
    """The order of the training rows, new in every epoch."""


@dataclass(frozen=True, kw_only=True)
class RunConfig(Settings):
    """All that a training run depends on."""

    data: str = "flights"
    """A built-in data set (flights), or the folder of a prepared one."""
    model: ModelConfig = field(default_factory=model_config)
    """The model."""
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    """The optimiser."""
    seeds: Seeds = field(default_factory=Seeds)
    """The seeds."""
    train_share: Fraction = 1.0
    """Share of the training rows that is trained on; a smaller one is a part of a larger one."""
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    """Of the products in training, the latter two less exact: float32, a GPU's tf32, or bfloat16 autocast; weights
    stay float32."""
    compiled: bool = False
    """Have torch.compile make one program of the model, which takes up to minutes at first; it is for a GPU."""
    epochs: Count = 50
    """Epochs at most; the paper gives no limit, its early stopping ends a run long before."""
    patience: Count = 3
    """Epochs without a better validation AUC after which a run stops."""

    @property
    def label(self) -> str:
        """The model's name and every other setting that is not at its default; the data set is left out."""
        parts = {**self.differing(), **self.optimiser.differing(), **self.seeds.differing()}
        words = [f"{key}={written(value)}" for key, value in parts.items() if key != "data"]
        return ",".join([self.model.name, *words])

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], *, own_model: str | None = None) -> "RunConfig":
        """Build the configuration from what `as_dict` returned.

        Parameters
        ----------
        plain : Mapping[str, Any]
            Nested plain values.
        own_model : str, optional
            The one ``module:Class`` that may be imported, if these values name it: a file alone has no code run.

        Returns
        -------
        RunConfig
            The configuration.

        Raises
        ------
        CollapseError
            If a key is unknown, a value is out of bounds, or the model is another ``module:Class``.
        """
        try:
            model = dict(plain["model"])
            name, own = model.pop("model"), model.pop("interaction")
            if ":" in name and name != own_model:
                raise CollapseError(f"its model is one of your own: name it again, --model {name}")
            return cls(
                **{
                    **plain,
                    "model": model_config(name, **model, **own),
                    "optimiser": OptimiserConfig(**plain["optimiser"]),
                    "seeds": Seeds(**plain["seeds"]),
                }
            )
        except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
            raise CollapseError(f"it does not fit this version ({type(error).__name__}: {error})") from error
