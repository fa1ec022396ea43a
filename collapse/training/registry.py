"""From a model's name to its interaction: entry points of the group ``collapse.models``, or ``module:Class``.

The models of this package are entry points like anyone's, so that listing names imports none of them.
"""

import re
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from collapse.errors import CollapseError
from collapse.training.model_config import ModelConfig

if TYPE_CHECKING:
    from collapse.training.models.interaction import Interaction

GROUP = "collapse.models"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_COMMON = frozenset({"model", "embedding_size", "sets", "interactions", "penalty_weight"})


@cache
def _registered() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in sorted(set(entry_points(group=GROUP)), key=lambda point: (point.name, point.value)):
        if point.name in found:
            raise CollapseError(
                f"two packages register the model {point.name!r} ({found[point.name].value} and {point.value}): "
                "uninstall one"
            )
        if not _NAME.fullmatch(point.name):
            raise CollapseError(
                f"{point.value} is registered as the model {point.name!r}: a name has small letters, digits and _"
            )
        found[point.name] = point
    return found


def model_names() -> tuple[str, ...]:
    """Return the names of all registered models, in alphabetical order; nothing is imported."""
    return tuple(_registered())


def interaction_class(model: str) -> "type[Interaction]":
    """Find a model's interaction.

    Parameters
    ----------
    model : str
        A registered name, or ``module:Class``; the module may lie in the current folder.

    Returns
    -------
    type of Interaction
        The class.

    Raises
    ------
    CollapseError
        If there is no such model, it cannot be imported, or it is no `Interaction`.
    """
    from collapse.training.models.interaction import Interaction

    module, colon, name = model.partition(":")
    if not colon:
        if model not in (registered := _registered()):
            raise CollapseError(
                f"there is no model {model!r}: it is one of {', '.join(registered)}, or module:Class for your own"
            )
        module, _, name = registered[model].value.partition(":")
    try:
        if colon and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        found = getattr(import_module(module), name)
    except Exception as error:
        raise CollapseError(f"model {model!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Interaction)):
        raise CollapseError(f"model {model!r} is no subclass of collapse.training.models.Interaction")
    return found


def build_interaction(fields: int, config: ModelConfig) -> "Interaction":
    """Build one set's interaction.

    Parameters
    ----------
    fields : int
        Number of fields N.
    config : ModelConfig
        The model's settings.

    Returns
    -------
    Interaction
        The module, newly initialised.

    Raises
    ------
    CollapseError
        If there is no such model, or it does not take a setting that was given.
    """
    found = interaction_class(config.model)
    plain = config.plain()
    for setting in vars(config):
        if setting not in _COMMON | found.options and getattr(config, setting) != getattr(plain, setting):
            raise CollapseError(f"{config.model} takes no {setting}, which is {getattr(config, setting)!r}")
    if (
        config.penalty_weight != plain.penalty_weight
        and not config.regularised
        and config.interactions != "aligned"
    ):
        raise CollapseError("penalty_weight needs regularised, or aligned interactions: there is no other penalty")
    return found(fields, config)
