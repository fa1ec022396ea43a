"""Records of a run: loss and AUC by epoch (Section 4.2), and the abundance of every field."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from collapse.errors import CollapseError
from collapse.files.opening import open_file
from collapse.measures.abundance import adjusted_abundance

HISTORY = "abundance.csv"
"""File that `collapse.analysis.monitors.AbundanceMonitor` writes next to a run's checkpoints."""
LAYERS = "layers.csv"
"""File that `collapse.analysis.monitors.LayersMonitor` writes there."""
COLUMNS = ("epoch", "train_loss", "validation_auc", "validation_logloss")


def dynamics(folder: str | Path) -> pd.DataFrame:
    """Read the metrics of a run by epoch.

    Parameters
    ----------
    folder : str or Path
        The run's folder, or its ``metrics.csv``.

    Returns
    -------
    pandas.DataFrame
        One row per epoch: ``epoch`` from 1, ``train_loss``, ``validation_auc``, ``validation_logloss``, and
        anything else that the run recorded.

    Raises
    ------
    CollapseError
        If the file cannot be read, or lacks a column.
    """
    path = Path(folder) / "metrics.csv" if Path(folder).is_dir() else Path(folder)
    return _table(path, COLUMNS)


def history(checkpoint: str | Path) -> pd.DataFrame:
    """Read the abundance of every field during the training of a checkpoint, if its run recorded it.

    Parameters
    ----------
    checkpoint : str or Path
        The checkpoint. The history is in a file next to it.

    Returns
    -------
    pandas.DataFrame
        One row per measurement and field: ``epoch``, ``step``, ``field``, ``ia`` and ``ia_normalised`` of all
        rows, and ``ia_adjusted`` of the rows that training looks up, if it was recorded. Empty without a history.

    Raises
    ------
    CollapseError
        If the history cannot be read, or lacks a column.
    """
    path, columns = Path(checkpoint).parent / HISTORY, ("epoch", "step", "field", "ia", "ia_normalised")
    return _table(path, columns) if path.is_file() else pd.DataFrame(columns=list(columns))


def below_since(
    checkpoint: str | Path, epoch: int, threshold: float, *, rows: Literal["trained", "all"]
) -> dict[str, int]:
    """Return since which epoch every field's adjusted abundance has been low, if the run recorded it.

    Parameters
    ----------
    checkpoint : str or Path
        The checkpoint. The history is in a file next to it.
    epoch : int
        Epoch of the checkpoint; later measurements are ignored.
    threshold : float
        Adjusted abundance below which a field is low.
    rows : {"trained", "all"}
        Rows that are measured.

    Returns
    -------
    dict of str to int
        For each field that ends below the threshold, the first epoch since which it has stayed there; 0 is the
        initialisation. Empty without a history of these rows.

    Raises
    ------
    CollapseError
        If the history cannot be read, or lacks a column.
    """
    kept = history(checkpoint)
    kept = kept[kept["epoch"] <= epoch].sort_values("step", kind="stable")
    if rows == "trained":
        kept = kept.assign(adjusted=kept.get("ia_adjusted", np.nan)).dropna(subset=["adjusted"])
    else:
        random = kept["ia"] / kept["ia_normalised"]
        kept = kept.assign(adjusted=list(map(adjusted_abundance, kept["ia"], random)))
    found = {}
    for field, of_field in kept.groupby("field", sort=False):
        above = of_field.loc[of_field["adjusted"] >= threshold, "step"].max()
        below = of_field if pd.isna(above) else of_field[of_field["step"] > above]
        if len(below):
            found[str(field)] = int(below["epoch"].iloc[0])
    return found


def layers_history(checkpoint: str | Path) -> pd.DataFrame:
    """Read how many directions the outputs of every layer used during the training of a checkpoint.

    Parameters
    ----------
    checkpoint : str or Path
        The checkpoint. The history is in a file next to it.

    Returns
    -------
    pandas.DataFrame
        One row per measurement and layer: ``epoch``, ``step``, ``layer``, ``rows``, ``size``, ``ia``,
        ``effective_rank`` and ``mean_cosine``. Empty without a history.

    Raises
    ------
    CollapseError
        If the history cannot be read, or lacks a column.
    """
    path = Path(checkpoint).parent / LAYERS
    columns = ("epoch", "step", "layer", "rows", "size", "ia", "effective_rank", "mean_cosine")
    return _table(path, columns) if path.is_file() else pd.DataFrame(columns=list(columns))


def _table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        with open_file(path) as file:
            frame = pd.read_csv(file)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise CollapseError(f"{path} is not a table of a run: {error}") from error
    missing = [column for column in columns if column not in frame]
    if missing:
        raise CollapseError(f"{path} has no column {missing[0]!r}")
    return frame
