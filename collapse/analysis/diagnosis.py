"""Which fields collapsed: one row a field."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from collapse.analysis.choices import Choices
from collapse.analysis.factors import FactoredTable, FactoredTables, factorise
from collapse.analysis.measures.abundance import abundance_of_spectrum, directions_for_energy
from collapse.analysis.measures.random_matrix import random_abundance
from collapse.analysis.readers import load
from collapse.analysis.verdicts import verdict
from collapse.tables import TableSet

COLUMNS = {
    "field": "the field's name",
    "cardinality": "rows of its table, D",
    "rows_seen": "rows looked up in training",
    "near_zero": "share of rows with almost no norm",
    "ia": "information abundance, sum sigma / max sigma",
    "ia_random": "the same of a random normal matrix of the same shape, on average",
    "ia_normalised": "ia / ia_random",
    "ia_per_k": "ia / columns of the table",
    "k99": "directions that hold 99 % of the energy",
    "verdict": "the same in words",
}


def diagnose(checkpoint: str | Path | TableSet, *, choices: Choices | None = None) -> pd.DataFrame:
    """Measure how far every field of a checkpoint is collapsed.

    Parameters
    ----------
    checkpoint : str, Path or TableSet
        A checkpoint, or what `load` read from one.
    choices : Choices, optional
        Which rows enter, and how the random baseline is drawn.

    Returns
    -------
    pandas.DataFrame
        One row a field in the model's order, the columns of `COLUMNS`. The sets of a multi-embedding model are
        side by side. `attrs` holds the choices.

    Raises
    ------
    CollapseError
        If the checkpoint cannot be read or a table holds NaN or infinity.

    Examples
    --------
    >>> import collapse
    >>> worst = collapse.diagnose("runs/first/best.pt").nsmallest(3, "ia_normalised")  # doctest: +SKIP
    """
    tables = checkpoint if isinstance(checkpoint, TableSet) else load(checkpoint)
    return diagnose_factored(factorise(tables, choices or Choices()))


def diagnose_factored(factored: FactoredTables) -> pd.DataFrame:
    """Do what `diagnose` does with tables that are factored already.

    Parameters
    ----------
    factored : FactoredTables
        What `factorise` returned.

    Returns
    -------
    pandas.DataFrame
        As from `diagnose`.
    """
    records = [_record(table, factored.choices) for table in factored]
    frame = pd.DataFrame.from_records(records, columns=list(COLUMNS)).astype({"rows_seen": "Int64"})
    frame.attrs["choices"] = asdict(factored.choices)
    return frame


def _record(table: FactoredTable, choices: Choices) -> dict[str, Any]:
    columns = table.R.shape[1]
    ia = float(abundance_of_spectrum(table.sigma))
    ia_random = random_abundance(table.rows, columns, draws=choices.draws, seed=choices.seed).mean
    k99 = int(directions_for_energy(table.sigma, share=0.99))
    return {
        "field": table.field,
        "cardinality": table.cardinality,
        "rows_seen": table.rows_seen,
        "near_zero": table.near_zero,
        "ia": ia,
        "ia_random": ia_random,
        "ia_normalised": ia / ia_random,
        "ia_per_k": ia / columns,
        "k99": k99,
        "verdict": verdict(
            ia_normalised=ia / ia_random,
            k99=k99,
            max_rank=len(table.sigma),
            columns=columns,
            near_zero=table.near_zero,
        ),
    }
