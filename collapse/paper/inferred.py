"""The profile of runs that no profile made: what a profile must be so that its items find them."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from collapse.paper.profiles import SIX, Profile
from collapse.settings import settings_of, written
from collapse.training.models.config import ModelConfig
from collapse.training.models.registry import interaction_class, model_config
from collapse.training.runs.config import OptimiserConfig, RunConfig, Seeds

_OF_RECIPES = ("interactions", "alignment_weight", "regularised", "table_penalty", "table_penalty_weight")
"""Settings of models that the recipes compare with their defaults."""


def infer_profile(configs: Sequence[RunConfig]) -> Profile:
    """Find the profile that most of some runs belong to.

    Parameters
    ----------
    configs : sequence of RunConfig
        At least one run.

    Returns
    -------
    Profile
        Without a name. Its optimiser, epochs and other settings of all runs are those of the largest group of runs
        that share them; its sizes, data, fractions and initialisations are those in that group. A setting of a
        model belongs to the profile if all of the group's runs of that model have it.
    """
    setups = Counter(map(_setup, configs))
    usual = max(setups, key=lambda setup: setups[setup])
    group = [config for config in configs if _setup(config) == usual]
    measured = replace(usual, epochs=1, patience=1)
    along = [
        config
        for config in configs
        if config.patience == config.epochs and _setup(replace(config, epochs=1, patience=1)) == measured
    ]
    rows = max(config.train_share for config in group)
    models = [config.model for config in group]
    names = tuple(sorted({model.model for model in models}, key=_place))
    bases = {name: _base([model for model in models if model.model == name]) for name in names}
    multiples = {_exact(model.embedding_size / bases[model.model]) for model in models if model.sets == 1}
    sizes = Counter(size for name in names for size in _sizes(name, models, bases[name]))
    return Profile(
        name="",
        content=f"{len(group)} of the {len(configs)} runs in the folder have these settings"
        if len(group) < len(configs)
        else "",
        data=tuple(dict.fromkeys(config.data for config in group)),
        base_size=_common_base(bases),
        repeats=len(seeds := sorted({config.seeds.initialisation for config in group})),
        initialisations=tuple(seeds),
        epochs=usual.epochs,
        batch_size=usual.optimiser.batch_size,
        rows=rows,
        models=names,
        multiples=tuple(sorted({1, *(size for size, count in sizes.items() if 2 * count >= len(names))})),
        halves=tuple(sorted({1, *multiples})),
        fractions=tuple(_fraction(share, rows) for share in sorted({config.train_share for config in group})),
        epochs_along=max((c.epochs for c in along if c.train_share == rows), default=usual.epochs),
        settings=_words(usual),
        model_settings=tuple(word for name in names for word in _of_model(name, models)),
        enlarged=max((model.sets for model in models if model.sets > 1 and model.sets in multiples), default=None),
    )


def _setup(config: RunConfig) -> RunConfig:
    """Return what a profile sets in all its runs."""
    seeds = replace(config.seeds, initialisation=0)
    return replace(config, data="", model=model_config(), seeds=seeds, train_share=1.0)


def _words(setup: RunConfig) -> tuple[str, ...]:
    """Return the settings of every run that a profile has no field for, as ``key=value``."""
    changed = ((RunConfig, setup), (OptimiserConfig, setup.optimiser), (Seeds, setup.seeds))
    return tuple(
        f"{item.name}={written(value)}"
        for kind, settings in changed
        for item in settings_of(kind)
        if (value := getattr(settings, item.name)) != item.default
        and item.name not in ("data", "epochs", "batch_size")
    )


def _of_model(name: str, models: Iterable[ModelConfig]) -> list[str]:
    """Return the settings that all runs of a model have and that differ from their defaults."""
    first, *others = [model.name.split(",")[1:] for model in models if model.model == name]
    shared = [word for word in first if all(word in words for words in others)]
    return [f"{name},{word}" for word in shared if word.partition("=")[0] not in _OF_RECIPES]


def _base(models: Sequence[ModelConfig]) -> int:
    """Return the size of one set of ME, or else the smallest size of SE."""
    several = [model.embedding_size for model in models if model.sets > 1]
    return min(several or [model.embedding_size for model in models])


def _sizes(name: str, models: Iterable[ModelConfig], base: int) -> set[int]:
    """Return the multiples of the base size that a model has, as one set or as several."""
    of = [model for model in models if model.model == name]
    sets = {model.sets for model in of if model.embedding_size == base}
    return sets | {model.embedding_size // base for model in of if model.embedding_size % base == 0}


def _common_base(bases: dict[str, int]) -> int | None:
    """Return the base size of most models; None if every model has its own."""
    if all(base == interaction_class(name).config_class.base_size for name, base in bases.items()):
        return None
    return Counter(bases.values()).most_common(1)[0][0]


def _place(name: str) -> tuple[int, str]:
    return (SIX.index(name) if name in SIX else len(SIX), name)


def _exact(multiple: float) -> float:
    return int(multiple) if multiple.is_integer() else multiple


def _fraction(share: float, rows: float) -> float:
    """Return a number whose product with `rows` is `share`, although division rounds."""
    near = share / rows
    return next((f for f in (near, math.nextafter(near, 0), math.nextafter(near, 2)) if f * rows == share), near)
