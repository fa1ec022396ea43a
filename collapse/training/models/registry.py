"""Finding a model's interaction by name: a file of this package, an entry point, or ``module:Class``.

Other packages register theirs in the group ``collapse.models``. Listing the names imports none of them.
"""

import re
import sys
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from collapse.errors import CollapseError
from collapse.plugins import points
from collapse.settings import Setting, parse_word, require_known, settings_of
from collapse.training.models.config import VARIANTS, ModelConfig

if TYPE_CHECKING:
    from collapse.training.models.interaction import Interaction

GROUP = "collapse.models"
_PACKAGE = "collapse.training.models.interactions"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SIZED = re.compile(r"(?P<model>[^,]+?)(?:-(?P<embedding_size>\d+)(?:x(?P<sets>\d+))?)?")
_COMMON = ("embedding_size", "sets", *VARIANTS)


@cache
def _registered() -> dict[str, str]:
    """Return ``module:Class`` for every model, or ``module:`` for one of this package."""
    folder = Path(__file__).parent / "interactions"
    found = {item.name: f"{_PACKAGE}.{item.name}:" for item in iter_modules([str(folder)])}
    for point in points(GROUP):
        if point.name in found:
            other = found[point.name].rstrip(":")
            raise CollapseError(
                f"two packages register the model {point.name!r} ({other} and {point.value}): uninstall one"
            )
        if not _NAME.fullmatch(point.name):
            raise CollapseError(
                f"{point.value} is registered as the model {point.name!r}, but names may only have small "
                "letters, digits and _"
            )
        found[point.name] = point.value
    return dict(sorted(found.items()))


def model_names() -> tuple[str, ...]:
    """Return the names of all registered models in alphabetical order, without importing them."""
    return tuple(_registered())


def interaction_class(model: str) -> "type[Interaction]":
    """Find a model's interaction.

    Parameters
    ----------
    model : str
        A registered name, or ``module:Class``, where the module may be in the current folder.

    Raises
    ------
    CollapseError
        If the model does not exist or cannot be imported, is not an `Interaction`, or has a setting with the name
        of a common one.
    """
    from collapse.training.models.interaction import Interaction

    module, colon, attribute = model.partition(":")
    if not colon:
        if model not in (registered := _registered()):
            listed = ", ".join(registered)
            raise CollapseError(f"unknown model {model!r}: use one of {listed}, or module:Class for your own")
        module, _, attribute = registered[model].partition(":")
    try:
        if colon and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        imported = import_module(module)
        found = getattr(imported, attribute) if attribute else _interaction_in(imported)
    except Exception as error:
        raise CollapseError(f"model {model!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Interaction)):
        raise CollapseError(f"model {model!r} is not a subclass of collapse.Interaction")
    for item in fields(found.config_class):
        if item.name in {*_COMMON, "model"}:
            raise CollapseError(f"model {model!r} has a setting {item.name!r}, which all models have: rename it")
    return found


def class_of(name: str) -> str:
    """Return the ``module:Class`` in a name with size and settings; empty for a registered model."""
    parts = _SIZED.fullmatch(name.partition(",")[0])
    model = parts["model"] if parts else name
    return model if ":" in model else ""


def _interaction_in(module: Any) -> type:
    """Return the interaction of a file of this package: the class with a reference."""
    own = (item for item in vars(module).values() if getattr(item, "__module__", None) == module.__name__)
    return next(item for item in own if isinstance(item, type) and hasattr(item, "reference"))


def model_config(name: str = "dcnv2", /, **settings: Any) -> ModelConfig:
    """Build a model's settings from its name.

    Parameters
    ----------
    name : str
        A model (``dcnv2`` means its baseline), optionally with its size (``dcnv2-10x4``), or a `ModelConfig.name`
        (``dcnv2-10x4,cross_layers=8``).
    **settings : Any
        Settings that override those in the name, common ones or the model's own.

    Raises
    ------
    CollapseError
        If the model does not exist, or a setting is unknown or out of bounds.
    """
    head, *words = name.split(",")
    parts = _SIZED.fullmatch(head)
    sizes = {key: int(text) for key, text in parts.groupdict().items() if key != "model" and text} if parts else {}
    if 0 in sizes.values():
        raise CollapseError(f"the embedding size and the number of sets in {head!r} must be at least 1")
    model = parts["model"] if parts else head
    kind = interaction_class(model)
    known = model_settings(kind)
    given = {**sizes, **dict(parse_word(known, word, of=model) for word in words), **settings}
    require_known(known, given, of=model)
    if given.get("interactions") == "aligned" and not kind.has_projections():
        raise CollapseError(f"{model} has no projections W_i->j whose norms could be aligned")
    common = {key: given.pop(key) for key in _COMMON if key in given}
    return ModelConfig(model=model, interaction=kind.config_class(**given), **common)


def model_settings(kind: "type[Interaction]") -> tuple[Setting, ...]:
    """Return the interaction's own settings, followed by the common ones.

    Returns
    -------
    tuple of Setting
        The settings that `model_config` accepts for it.
    """
    common = (item for item in settings_of(ModelConfig) if item.name in _COMMON)
    return (*settings_of(kind.config_class), *common)
