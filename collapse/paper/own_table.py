"""What a user's figures show: settings, results and measures of runs, as a tidy table."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from collapse.analysis.diagnosis import COLUMNS as OF_FIELDS
from collapse.analysis.diagnosis import all_measures
from collapse.errors import CollapseError
from collapse.figures.own_figure import OwnFigure
from collapse.study.study import StudyRun

RESULTS = (
    "test_auc", "test_logloss", "validation_auc", "validation_logloss", "best_epoch", "train_rows", "parameters",
    "rows_per_second",
)  # fmt: skip
"""What a finished run has one number of."""
_SEEDS = ("initialisation", "order", "split")
_DERIVED = ("name", "columns", "variant")
"""What varies only with the settings that it is made of."""


def own_table(figure: OwnFigure, runs: Sequence[StudyRun]) -> pd.DataFrame:
    """Compute the tidy table of a figure.

    Parameters
    ----------
    figure : OwnFigure
        The figure.
    runs : sequence of StudyRun
        Finished runs.

    Returns
    -------
    pandas.DataFrame
        One row per run, or per run and epoch or field: the variables of the figure, the seeds that are not among
        them, ``run`` (its label) and ``varied``, the other settings that differ between runs at the same place.
        A setting that a run's model lacks is empty.

    Raises
    ------
    CollapseError
        If no run has the values of `where`, or no row has all numbers.
    """
    chosen = [run for run in runs if _fits(run, figure.where)]
    if not chosen:
        where = ", ".join(f"{key} = {value}" for key, value in figure.where.items())
        raise CollapseError(f"no finished run fits the figure {figure.name}" + f": {where}" * bool(where))
    frames = []
    for run in chosen:
        frame = _rows(figure, run)
        seeds = {seed: run.settings.get(seed, 0) for seed in _SEEDS if seed not in frame}
        frames.append(frame.assign(**seeds, run=run.label or run.path.name))
    table = pd.concat(frames, ignore_index=True)
    table = table.assign(**{figure.y: pd.to_numeric(table[figure.y], errors="coerce")}).dropna(subset=[figure.y])
    if table.empty:
        raise CollapseError(f"no run of the figure {figure.name} has a number for {figure.y}")
    return table.assign(varied=", ".join(_varied(figure, table, chosen)))


def _rows(figure: OwnFigure, run: StudyRun) -> pd.DataFrame:
    """Return the variables of a run: one row, or one per epoch or field."""
    names = figure.variables
    if figure.is_by_epoch:
        by_epoch = run.metrics
        given = {name: by_epoch[name] if name in by_epoch else _value(run, name) for name in names}
        return pd.DataFrame(given, index=by_epoch.index)
    if figure.is_by_field:
        fields = run.fields()
        return pd.DataFrame({name: fields[name] if name in fields else _value(run, name) for name in names})
    return pd.DataFrame({name: [_value(run, name)] for name in names})


def _value(run: StudyRun, name: str) -> Any:
    """Return a setting, a result, or the mean of a measure over the fields; missing if there is none."""
    if name in RESULTS:
        return run.results[name]
    if name in run.settings:
        return run.settings[name]
    if name in all_measures():
        return float(run.fields()[name].mean())
    return float("nan") if name in OF_FIELDS else ""


def _fits(run: StudyRun, where: Mapping[str, Any]) -> bool:
    alternatives = {name: wanted if isinstance(wanted, list) else [wanted] for name, wanted in where.items()}
    return all(run.settings.get(name) in wanted for name, wanted in alternatives.items())


def _varied(figure: OwnFigure, table: pd.DataFrame, runs: Sequence[StudyRun]) -> list[str]:
    """Return the settings, other than seeds, that differ between runs at the same place of the figure."""
    place = [name for name in (figure.panel, figure.hue, figure.x) if name and name != "epoch"]
    of_label = {run.label or run.path.name: run.settings for run in runs}
    found: dict[str, None] = {}
    for _, group in table.groupby(place, sort=False, dropna=False) if place else [((), table)]:
        settings = [of_label[label] for label in group["run"].unique()]
        for key in dict.fromkeys(key for each in settings for key in each):
            if len({str(each.get(key)) for each in settings}) > 1:
                found[key] = None
    return [key for key in found if key not in (*figure.variables, *_SEEDS, *_DERIVED)]
