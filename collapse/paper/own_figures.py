"""A user's figures: described in a grid's file, and kept in its study."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collapse.analysis.diagnosis import COLUMNS as OF_FIELDS
from collapse.analysis.diagnosis import all_measures
from collapse.errors import CollapseError, shortened
from collapse.figures.own_figure import OwnFigure
from collapse.files.atomic import atomic_write
from collapse.files.opening import explain_os_errors, open_file
from collapse.paper.own_table import RESULTS
from collapse.settings import meant, require, settings_of
from collapse.study.grid import GRID_NAMES, read_plain
from collapse.study.study import flat_settings
from collapse.training.runs.config import RunConfig

_ALWAYS = ("epoch", "train_loss")
"""What every run records by epoch, in addition to results of the same name."""
_BY_EPOCH = re.compile(r"(ia|co_influence|unitary|pattern|grad)[a-z0-9_]*")
"""What monitors may record by epoch."""


def read_figures(path: Path, *, runs: Sequence[RunConfig] = ()) -> tuple[OwnFigure, ...]:
    """Read the figures of a grid's file: its tables ``[[figures]]``.

    Parameters
    ----------
    path : Path
        The file, in TOML, or in JSON if it ends in ``.json``.
    runs : sequence of RunConfig
        Runs whose settings the figures may use, if they are to be checked.

    Raises
    ------
    CollapseError
        If a figure is not described well, or uses a variable that no run has. The message names file and figure.
    """
    plain = read_plain(path).get("figures", [])
    try:
        require(isinstance(plain, list), "figures must be tables, each below the heading [[figures]]")
        found = tuple(map(_figure, plain))
        names = [each.name for each in found]
        require(len(set(names)) == len(names), "two figures have the same name")
        known = {
            *flat_settings(RunConfig().as_dict()),
            *(key for run in runs for key in flat_settings(run.as_dict())),
        }
        for each in found if runs else ():
            _check_variables(each, known)
    except CollapseError as error:
        raise CollapseError(f"{path}: {error}") from error
    return found


def _figure(plain: Any) -> OwnFigure:
    require(isinstance(plain, dict), f"a figure must be a table with x and y, got {plain!r}")
    known = [item.name for item in settings_of(OwnFigure)] + ["where"]
    for key in plain:
        if key not in known:
            listed = ", ".join(known)
            raise CollapseError(
                f"a figure has no key {shortened(str(key))}; its keys are {listed}{meant(str(key), known)}"
            )
    for key in ("name", "x", "y"):
        require(key in plain, f"the figure {plain.get('name', plain)!r} has no {key}")
    require(isinstance(plain.get("where", {}), dict), "where must be a table, such as { sets = 1 }")
    return OwnFigure(**plain)


def _check_variables(figure: OwnFigure, settings: set[str]) -> None:
    measures = {*OF_FIELDS, *all_measures()}
    by_epoch = {*_ALWAYS} if figure.is_by_epoch else set()
    known = settings | {*RESULTS} | measures | by_epoch | {"epoch"}
    for name in (*figure.variables, *figure.where):
        if name in known or (figure.is_by_epoch and _BY_EPOCH.fullmatch(name)):
            continue
        raise CollapseError(
            f"the figure {figure.name} uses {shortened(name)}, which no run has{meant(name, known)}"
        )


def keep_figures(config: Path, study: Path) -> None:
    """Copy a grid's file into its study, where its figures are found again.

    Raises
    ------
    CollapseError
        If it cannot be read or written.
    """
    name = "grid.json" if config.suffix == ".json" else "grid.toml"
    with open_file(config) as source:
        content = source.read()
    with explain_os_errors("write to", study):
        study.mkdir(parents=True, exist_ok=True)
    for other in GRID_NAMES:
        if other != name:
            (study / other).unlink(missing_ok=True)
    with atomic_write(study / name) as file:
        file.write(content)


def figures_of(study: Path) -> tuple[OwnFigure, ...]:
    """Return the figures in the file that `keep_figures` copied into a study; none if there is no such file."""
    paths = [study / name for name in GRID_NAMES if (study / name).is_file()]
    return read_figures(paths[0]) if paths else ()
