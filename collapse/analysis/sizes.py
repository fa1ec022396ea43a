"""Mean information abundance by embedding size: a row of Table 2."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from collapse.analysis.factors import FactoredTables
from collapse.analysis.measures.abundance import abundance_of_spectrum


def abundance_by_size(checkpoints: Sequence[FactoredTables]) -> pd.DataFrame:
    """Average IA over the fields of every checkpoint, sizes side by side as in Table 2.

    Parameters
    ----------
    checkpoints : sequence of FactoredTables
        The checkpoints, of one or several data sets and models.

    Returns
    -------
    pandas.DataFrame
        A row a model and data set: ``model``, ``data``, and a column a size, ascending: the columns of a table,
        with ", ME" where they are several sets. Checkpoints that differ in nothing of that are averaged.
    """
    found = pd.DataFrame([_mean(checkpoint) for checkpoint in checkpoints])
    order = found.sort_values(["columns", "size"], kind="stable")["size"].unique()
    table = found.pivot_table(index=["model", "data"], columns="size", values="ia", sort=False)
    return table[list(order)].reset_index().rename_axis(columns=None)


def _mean(checkpoint: FactoredTables) -> dict[str, object]:
    tables = checkpoint.tables
    columns = max(table.columns for table in checkpoint)
    return {
        "model": tables.name.partition("-")[0],
        "data": tables.description.get("data", "unknown"),
        "columns": columns,
        "size": f"{columns}, ME" if tables.sets > 1 else str(columns),
        "ia": float(np.mean([abundance_of_spectrum(table.spectrum.values) for table in checkpoint])),
    }
