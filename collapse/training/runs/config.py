"""The configuration of a run: model, optimiser, stopping rule, data and seeds.

The defaults are the settings of Section 5.2 and Appendix C.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from collapse.bounds import Count, CountFrom2, Fraction, NotNegative, Positive, Seed
from collapse.errors import CollapseError
from collapse.settings import Setting, Settings, parse_word, settings_of, written
from collapse.training.models.config import ModelConfig
from collapse.training.models.registry import model_config


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig(Settings):
    """Adam with coupled L2 weight decay, exact for every row of every table."""

    learning_rate: Positive = 1e-3
    """Learning rate of Adam."""
    weight_decay: NotNegative = 1e-6
    """L2 penalty, added to the gradient of every parameter, including rows that the batch does not look up."""
    batch_size: CountFrom2 = 2048
    """Rows per step. The last batch of an epoch may be smaller."""


@dataclass(frozen=True, kw_only=True)
class Seeds(Settings):
    """Seeds of the three independent sources of randomness in a run."""

    split: Seed = field(default=0, metadata={"flag": "split-seed"})
    """Seed of the split into training, validation and test rows."""
    initialisation: Seed = field(default=0, metadata={"flag": "init-seed"})
    """Seed of the initial weights and the dropout masks."""
    order: Seed = field(default=0, metadata={"flag": "order-seed"})
    """Seed of the order of the training rows, which changes in every epoch."""


@dataclass(frozen=True, kw_only=True)
class RunConfig(Settings):
    """Everything that a training run depends on."""

    data: str = "flights"
    """Train on this data set: a built-in name such as flights, or the folder of a prepared one."""
    model: ModelConfig = field(default_factory=model_config)
    """Settings of the model."""
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    """Settings of the optimiser."""
    seeds: Seeds = field(default_factory=Seeds)
    """Seeds."""
    train_share: Fraction = 1.0
    """Fraction of the training rows to train on. The rows of a smaller fraction are among those of a larger
    one."""
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    """Precision of matrix products in training: float32, tf32 (GPUs only) or bfloat16 autocast. Weights stay
    float32."""
    compiled: bool = False
    """Compile the model with torch.compile. Compilation can take minutes; worthwhile on a GPU."""
    epochs: Count = 50
    """Maximum number of epochs. The paper gives none; early stopping usually ends a run much earlier."""
    patience: Count = 3
    """Stop after this many epochs without a better validation AUC."""

    @property
    def label(self) -> str:
        """The model's name and all other settings that differ from their defaults, without the data set."""
        parts = {**self.differing(), **self.optimiser.differing(), **self.seeds.differing()}
        words = [f"{key}={written(value)}" for key, value in parts.items() if key != "data"]
        return ",".join([self.model.name, *words])

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as nested plain values.

        ``field_sizes`` is left out if it is empty, so that a run keeps the name, digest and files that it had
        before the setting existed.
        """
        plain = super().as_dict()
        if not plain["model"]["field_sizes"]:
            del plain["model"]["field_sizes"]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], *, own_model: str | None = None) -> "RunConfig":
        """Build a configuration from the result of `as_dict`.

        Parameters
        ----------
        plain : mapping
            Nested plain values.
        own_model : str, optional
            The only ``module:Class`` that may be imported. Without it, a file can never cause an import.

        Raises
        ------
        CollapseError
            If a key is unknown, a value is out of bounds, or the model is another ``module:Class``.
        """
        try:
            model = dict(plain["model"])
            name, own = model.pop("model"), model.pop("interaction")
            if ":" in name and name != own_model:
                raise CollapseError(f"its model is a class of your own: confirm it with --model {name}")
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


def other_settings() -> tuple[Setting, ...]:
    """Return the settings of a run, its optimiser and its seeds, without those of its model."""
    return tuple(item for kind in (RunConfig, OptimiserConfig, Seeds) for item in settings_of(kind))


def with_settings(config: RunConfig, words: Sequence[str]) -> RunConfig:
    """Change settings of a run, of its optimiser or its seeds.

    Parameters
    ----------
    config : RunConfig
        The run.
    words : sequence of str
        ``key=value`` with the name of a setting, such as ``learning_rate=0.01``.

    Raises
    ------
    CollapseError
        If a setting is unknown or out of bounds.
    """
    given: dict[str, Any] = dict(parse_word(other_settings(), word, of="a run") for word in words)

    def own(kind: type[Settings]) -> dict[str, Any]:
        return {item.name: given[item.name] for item in settings_of(kind) if item.name in given}

    return replace(
        config,
        **own(RunConfig),
        optimiser=replace(config.optimiser, **own(OptimiserConfig)),
        seeds=replace(config.seeds, **own(Seeds)),
    )


def as_options(words: Sequence[str]) -> list[str]:
    """Return settings as options of a command, such as ``--learning-rate 0.01`` for ``learning_rate=0.01``."""
    flags = {item.name: item for item in other_settings()}
    options = []
    for word in words:
        key, _, value = word.partition("=")
        item = flags[key]
        options += (
            [f"--{'' if value == 'true' else 'no-'}{item.flag}"]
            if item.kind is bool
            else [f"--{item.flag}", value]
        )
    return options
