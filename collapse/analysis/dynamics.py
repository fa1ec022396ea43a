"""Optimisation dynamics from a run's metrics: training loss and validation AUC by epoch (Section 4.2)."""

from pathlib import Path

import pandas as pd

from collapse.errors import CollapseError
from collapse.files import explained

COLUMNS = ("epoch", "train_loss", "validation_auc", "validation_logloss")


def dynamics(folder: str | Path) -> pd.DataFrame:
    """Read what happened along a run's training.

    Parameters
    ----------
    folder : str or Path
        The run's folder, or its ``metrics.csv``.

    Returns
    -------
    pandas.DataFrame
        A row an epoch: ``epoch`` from 1, ``train_loss``, ``validation_auc``, ``validation_logloss``, and whatever
        else the run kept.

    Raises
    ------
    CollapseError
        If the file cannot be read, or lacks a column.
    """
    path = Path(folder) / "metrics.csv" if Path(folder).is_dir() else Path(folder)
    try:
        with explained("read", path):
            frame = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise CollapseError(f"{path} is no table of metrics: {error}") from error
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise CollapseError(f"{path} lacks the column {missing[0]!r} of a run's metrics")
    return frame
