"""A user's grid: a file whose lists are combined into runs."""

import itertools
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from collapse.errors import CollapseError
from collapse.files.json_file import read_json
from collapse.files.opening import open_file
from collapse.settings import Settings, require_known, settings_of
from collapse.training.models.config import ModelConfig
from collapse.training.models.registry import class_of, model_config
from collapse.training.runs.config import OptimiserConfig, RunConfig, Seeds

GRID_NAMES = ("grid.toml", "grid.json")
"""Names of a grid's file in its study."""
_SECTIONS: dict[str, type[Settings]] = {"optimiser": OptimiserConfig, "seeds": Seeds}


def read_grid(path: Path, *, allowed: Collection[str] = ()) -> tuple[RunConfig, ...]:
    """Read the runs of a grid.

    Parameters
    ----------
    path : Path
        TOML, or JSON if it ends in ``.json``, with the keys of a run's ``config.json``. Missing keys have their
        defaults. A list has one entry per run, and several lists are combined in every way. The key ``model`` in
        the section of that name is the argument of ``collapse train --model``, optionally with size and settings.
        The tables ``[[figures]]`` are read by `collapse.study.own_figures.read_figures`.
    allowed : collection of str
        Models of the form ``module:Class`` that may be imported.

    Returns
    -------
    tuple of RunConfig
        Each run once; the last list varies fastest.

    Raises
    ------
    CollapseError
        If the file cannot be read, or has a key or value that no run can have. The message names file and key.

    Examples
    --------
    A file of 2 x 3 runs::

        data = "flights"
        epochs = 10

        [model]
        model = ["dcnv2-40", "dcnv2-10x4"]

        [seeds]
        initialisation = [0, 1, 2]
    """
    try:
        plain = {key: value for key, value in read_plain(path).items() if key != "figures"}
        found = tuple(dict.fromkeys(_run(one, allowed) for one in _multiplied(plain)))
    except CollapseError as error:
        raise CollapseError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from error
    if not found:
        raise CollapseError(f"{path}: a list is empty, so there are no runs")
    return found


def read_plain(path: Path) -> dict[str, Any]:
    """Read the tables of a grid's file.

    Raises
    ------
    CollapseError
        If it cannot be read.
    """
    if path.suffix == ".json":
        plain = read_json(path)
    else:
        try:
            with open_file(path) as file:
                plain = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CollapseError(f"{path} is not a TOML file: {error}") from error
    if not isinstance(plain, dict):
        raise CollapseError(f"{path} has no settings")
    return plain


def _multiplied(plain: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the settings with every list replaced by one of its entries."""
    choices = []
    for value in plain.values():
        if isinstance(value, Mapping):
            choices.append(list(_multiplied(value)))
        else:
            choices.append(value if isinstance(value, list) else [value])
    for values in itertools.product(*choices):
        yield dict(zip(plain, values, strict=True))


def _run(plain: dict[str, Any], allowed: Collection[str]) -> RunConfig:
    rest = {key: value for key, value in plain.items() if key not in ("model", *_SECTIONS)}
    for key in rest:
        _refuse_of_section(key)
    require_known(settings_of(RunConfig), rest, of="a run")
    sections: dict[str, Any] = {}
    for name, kind in _SECTIONS.items():
        section = _section(plain, name)
        require_known(settings_of(kind), section, of=name)
        sections[name] = kind(**section)
    return RunConfig(**rest, **sections, model=_model(_section(plain, "model"), allowed))


def _refuse_of_section(key: str) -> None:
    """Refuse a key that belongs to a table of the file, and name the table."""
    sections = {**_SECTIONS, "model": ModelConfig}
    belongs = [name for name, kind in sections.items() if key in {item.name for item in settings_of(kind)}]
    if belongs and key not in {item.name for item in settings_of(RunConfig)}:
        raise CollapseError(f"{key!r} belongs to the table [{belongs[0]}]: write it below that heading")


def _model(section: dict[str, Any], allowed: Collection[str]) -> Any:
    settings = dict(section)
    # In config.json a model's own settings are nested one level deeper. Here they may be next to the others.
    own = settings.pop("interaction", {})
    name = settings.pop("model", "dcnv2")
    if not isinstance(name, str) or not isinstance(own, dict):
        raise CollapseError(f"model must be text such as dcnv2-10x4, got {name!r}")
    if (own_class := class_of(name)) and own_class not in allowed:
        raise CollapseError(
            f"model {name} is code of your own, which a file may run only if you say so: --allow-model {own_class}"
        )
    return model_config(name, **settings, **own)


def _section(plain: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = plain.get(name, {})
    if not isinstance(section, dict):
        raise CollapseError(f"{name} must be a section, [{name}], got {section!r}")
    return section
