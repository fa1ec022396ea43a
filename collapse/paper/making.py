"""Making figures and tables from checkpoints or from a study, as the catalogue says."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from collapse.analysis.factorised import FactoredTables
from collapse.analysis.settings import PAPER
from collapse.errors import CollapseError
from collapse.figures.display import Display
from collapse.paper.catalogue import PANELS, Entry, catalogue
from collapse.paper.item import Item
from collapse.study.study import StudyRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from collapse.analysis.toy_settings import ToySettings
    from collapse.figures.checkpoint_display import CheckpointDisplay
    from collapse.figures.study_table import StudyTable
    from collapse.figures.toy import ToyDisplay


def display_of(number: str) -> "type[CheckpointDisplay]":
    """Return the class that draws a figure of checkpoints.

    Parameters
    ----------
    number : str
        Number of the figure, such as ``1b``.

    Raises
    ------
    CollapseError
        If the figure does not exist. The message lists those that do.
    """
    entry = _entries().get(number)
    if entry is not None and entry.draw and not entry.is_of_checkpoints:
        raise CollapseError(
            f"figure {number} needs many runs: draw it with `collapse figures STUDY --figure {number}`"
        )
    if entry is None or not entry.is_of_checkpoints:
        listed = "; ".join(f"{known} ({each.shows})" for known, each in _of_checkpoints().items())
        raise CollapseError(f"unknown figure {number!r}: the figures are {listed}")
    return cast("type[CheckpointDisplay]", display_class(number))


def displays() -> "dict[str, type[CheckpointDisplay]]":
    """Return the classes that draw the figures of checkpoints, by number."""
    return {name: display_of(name) for name in _of_checkpoints()}


def _of_checkpoints() -> dict[str, Entry]:
    return {name: entry for name, entry in _entries().items() if entry.is_of_checkpoints}


def _entries() -> dict[str, Entry]:
    return {**catalogue(), **PANELS}


def toy_figure(table: pd.DataFrame, settings: "ToySettings") -> "Display":
    """Make Figure 4 from an experiment with the user's settings.

    Parameters
    ----------
    table, settings
        As for `ToyDisplay.from_table`.
    """
    kind = cast("type[ToyDisplay]", display_class("4"))
    return kind.from_table(table, settings)


@cache
def display_class(name: str) -> "type[Display]":
    """Return the class that draws a figure, with the attributes from its row of the catalogue."""
    entry = _entries()[name]
    kind = _named("collapse.figures", entry.draw)
    if not (isinstance(kind, type) and issubclass(kind, Display)):
        raise CollapseError(f"the figure {name!r} is drawn by {kind!r}, which is not a subclass of Display")
    said = {"number": name, "paper": entry.paper, "__doc__": kind.__doc__, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), {**said, **entry.options})


def made_of(item: Item, *, text_model: Path | None = None) -> "Display | StudyTable":
    """Make the figure or table of an item.

    Parameters
    ----------
    item : Item
        The item in a study.
    text_model : Path, optional
        Text model for Figure 11. The default is GloVe vectors, if they are installed.

    Returns
    -------
    Display or StudyTable
        Made from the finished runs; its `save` writes it.

    Raises
    ------
    CollapseError
        If no run is finished but the item needs runs, or the runs cannot serve this figure.
    """
    entry = catalogue()[item.name]
    if entry.table:
        table: StudyTable = _named("collapse.paper.tables", entry.table)(item.with_finished_runs())
        return table
    kind: Any = display_class(item.name)
    display: Display
    if not entry.needs_runs:
        if not hasattr(kind, "without_runs"):
            raise CollapseError(
                f"figure {item.name} is drawn from checkpoints: `collapse analyze CHECKPOINT --figure {item.name}`"
            )
        display = kind.without_runs()
    elif entry.compute:
        numbers = _named("collapse.paper", entry.compute)(item.with_finished_runs())
        runs = f"{item.finished} of {len(item.runs)}"
        display = kind(numbers.assign(runs=runs, profile=item.profile.summary))
    else:
        display = _of_best_checkpoints(kind, item, text_model)
    return display


def _of_best_checkpoints(
    kind: "type[CheckpointDisplay]", item: Item, text_model: Path | None
) -> "CheckpointDisplay":
    """Draw the best checkpoints of an item's runs. Results for each are stored next to it."""
    runs = [StudyRun(run.path) for run in item.with_finished_runs().finished_runs]
    checkpoints = [FactoredTables(tables=run.tables, settings=PAPER) for run in runs]
    of = dict(zip(checkpoints, runs, strict=True))

    def keep(
        checkpoint: FactoredTables, settings: Mapping[str, Any], compute: "Callable[[], pd.DataFrame]"
    ) -> pd.DataFrame:
        if checkpoint not in of:
            return compute()
        return of[checkpoint].cached_result(
            f"figure-{kind.number}", {**vars(checkpoint.settings), **settings}, compute
        )

    if kind.needs_text_model:
        from collapse.io.readers.token_table import read_token_table

        checkpoints.append(FactoredTables(tables=read_token_table(text_model), settings=PAPER))
    made = kind.from_checkpoints(checkpoints, keep)
    return kind(made.table.assign(profile=item.profile.summary))


def _named(package: str, place: Any) -> Any:
    if not isinstance(place, str):
        return place
    module, _, name = place.partition(":")
    return getattr(import_module(f"{package}.{module}"), name)
