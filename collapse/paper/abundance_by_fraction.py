"""Mean information abundance of an item's runs by the fraction of the data and the size (Table 2)."""

import numpy as np
import pandas as pd

from collapse.analysis.settings import PAPER, AnalysisSettings
from collapse.paper.item import Item
from collapse.paper.printed_values import read_printed
from collapse.study.study import StudyRun

_DATA = "criteo"
"""Data set of the paper's Table 2."""
_KEYS = ["train_share", "embedding_size", "sets"]


def abundance_by_fraction(item: Item) -> pd.DataFrame:
    """Average IA over the fields of every finished run, next to the paper's printed values.

    Parameters
    ----------
    item : Item
        The runs of Table 2.

    Returns
    -------
    pandas.DataFrame
        One row per fraction and size, as in the paper: ``train_share`` (fraction of the profile's rows),
        ``factor`` (times the base size), ``variant`` (SE or ME), our ``embedding_size`` and ``sets``, the paper's
        ``printed_size`` and ``printed`` (NaN unless the data set is Criteo), and ``ia`` of all rows and
        ``ia_trained`` of the rows that training looked up (NaN for missing runs).
    """
    found = pd.DataFrame(
        [
            {
                "train_share": round(run.config.train_share / item.profile.rows, 9),
                "embedding_size": run.config.model.embedding_size,
                "sets": run.config.model.sets,
                **_mean_abundance(StudyRun(run.path)),
            }
            for run in item.finished_runs
        ],
        columns=[*_KEYS, "ia", "ia_trained"],
    )
    printed = read_printed("abundance")
    of_one = printed["factor"] / printed["sets"]
    sizes = [item.profile.single("dcnv2", factor).embedding_size for factor in of_one]
    printed.insert(3, "embedding_size", sizes)
    if item.data_names[item.profile.data[0]].lower() != _DATA:
        printed[["printed_size", "printed"]] = np.nan
    return printed.merge(found, on=_KEYS, how="left")


def _mean_abundance(run: StudyRun) -> dict[str, float]:
    return {
        "ia": float(run.fields(PAPER)["ia"].mean()),
        "ia_trained": float(run.fields(AnalysisSettings())["ia"].mean()),
    }
