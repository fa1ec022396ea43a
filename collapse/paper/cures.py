"""Comparison of remedies against collapse: abundance, AUC and time per row."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from collapse.analysis.settings import PAPER
from collapse.measures.statistics import estimate
from collapse.paper.item import Item
from collapse.study.study import StudyRun
from collapse.study.sweep import Planned
from collapse.training.models.config import ModelConfig
from collapse.training.runs.folder import RunFolder

REFERENCE = "single embedding"


def cure_of(model: ModelConfig) -> str:
    """Describe what a model does against collapse.

    Returns
    -------
    str
        The description; `REFERENCE` if it does nothing.
    """
    if model.table_penalty != "none":
        return f"{model.table_penalty} penalty, weight {model.table_penalty_weight:g}"
    if (regularised := getattr(model.interaction, "regularised", "no")) != "no":
        return f"regularised DCNv2 ({regularised})"
    return f"multi-embedding, {model.sets} sets" if model.sets > 1 else REFERENCE


def compare_cures(item: Item) -> pd.DataFrame:
    """Compare the remedies among an item's finished runs with a single embedding of as many columns.

    Returns
    -------
    pandas.DataFrame
        One row per data set and remedy: ``data``, ``cure``, ``model``, ``runs`` (initialisations that both have),
        ``ia_normalised`` (mean over fields and initialisations), ``ia_change`` with the ends ``.._low`` and
        ``.._high`` of its 95 % interval over the initialisations (Student's t), ``test_auc``, ``auc_change`` with
        its interval, and ``time``, the seconds per row relative to the single embedding. Changes and times are NaN
        if the single embedding is not finished, and intervals for one initialisation.
    """
    found: dict[str, dict[str, dict[int, Mapping[str, Any]]]] = {}
    names: dict[str, str] = {}
    for run in item.finished_runs:
        cure = cure_of(run.config.model)
        names[cure] = run.config.model.name
        of_cure = found.setdefault(run.config.data, {}).setdefault(cure, {})
        of_cure[run.config.seeds.initialisation] = _measured(run)
    rows = [
        {"data": data, "cure": cure, "model": names[cure], **_compared(of_seed, of_data.get(REFERENCE, {}))}
        for data, of_data in found.items()
        for cure, of_seed in of_data.items()
    ]
    return pd.DataFrame(rows)


def _measured(run: Planned) -> dict[str, Any]:
    manifest = RunFolder(run.path).read_manifest()
    return {
        "ia": StudyRun(run.path).fields(PAPER)["ia_normalised"].to_numpy(float),
        "auc": float(manifest["test"]["auc"]),
        "seconds": 1 / float(manifest["rows_per_second"]),
    }


def _compared(ours: Mapping[int, Mapping[str, Any]], theirs: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    seeds = sorted(set(ours) & set(theirs)) if theirs else sorted(ours)
    record: dict[str, Any] = {
        "runs": len(seeds),
        "ia_normalised": float(np.mean([ours[seed]["ia"].mean() for seed in seeds])) if seeds else np.nan,
        "test_auc": float(np.mean([ours[seed]["auc"] for seed in seeds])) if seeds else np.nan,
    }
    for key, name in (("ia", "ia_change"), ("auc", "auc_change")):
        found = estimate([float(np.mean(ours[seed][key] - theirs[seed][key])) for seed in seeds if seed in theirs])
        record |= {name: found.effect, f"{name}_low": found.low, f"{name}_high": found.high}
    ratios = [ours[seed]["seconds"] / theirs[seed]["seconds"] for seed in seeds if seed in theirs]
    return {**record, "time": float(np.median(ratios)) if ratios else np.nan}
