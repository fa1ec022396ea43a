"""Epochs of an item's runs: their metrics, and what they recorded during training."""

import pandas as pd

from collapse.analysis.dynamics import COLUMNS
from collapse.figures.along_training import LABELS
from collapse.paper.auc import auc_of_runs, described_runs
from collapse.paper.item import Item
from collapse.study.study import StudyRun


def along_training(item: Item) -> pd.DataFrame:
    """Read every epoch of an item's finished runs.

    Returns
    -------
    pandas.DataFrame
        One row per run and epoch: ``data`` (name), ``model``, ``seed`` (of the initialisation), ``epoch`` from 1,
        ``ia_normalised_mean`` (IA / random, mean over the fields), ``co_influence_target`` (Pearson's r of IA(E_j)
        and sum_i IA(E_i^{->j}), as in Figure 3c), ``train_loss`` and ``validation_auc``.
    """
    frames = []
    for planned in item.finished_runs:
        run = StudyRun(planned.path)
        frame = run.metrics[["epoch", *LABELS]]
        seed = run.config.seeds.initialisation
        frames.append(frame.assign(data=run.data, model=run.config.model.name, seed=seed))
    return pd.concat(frames, ignore_index=True)


def epochs_of_runs(item: Item) -> pd.DataFrame:
    """Read the epochs of an item's finished runs of the largest size.

    Returns
    -------
    pandas.DataFrame
        One row per epoch: ``epoch``, ``train_loss``, ``validation_auc``, ``validation_logloss``, and the
        description of the run as in `auc_of_runs`.
    """
    runs = list(described_runs(item))
    largest = max((described["factor"] for _, described in runs), default=0)
    frames = [
        StudyRun(run.path).metrics[list(COLUMNS)].assign(**described)
        for run, described in runs
        if described["factor"] == largest
    ]
    return pd.concat(frames, ignore_index=True)


def auc_and_epochs(item: Item) -> pd.DataFrame:
    """Return every run's test AUC, followed by the epochs of the runs of the largest size."""
    return pd.concat([auc_of_runs(item), epochs_of_runs(item)], ignore_index=True)
