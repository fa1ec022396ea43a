"""Diversity of a checkpoint's sets, of an SE table split into sets, and of random sets (Section 5.3, Figure 10).

Shapes: N fields, M sets, K columns of a set, D rows of a table (cardinality).
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from collapse.analysis.settings import AnalysisSettings
from collapse.errors import CollapseError
from collapse.io.load import load
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.measures.angles import ColumnSpaces, diversity_of_cosines
from collapse.measures.random_matrix import random_diversity


def set_diversity(
    source: Any, *, split: int | None = None, settings: AnalysisSettings | None = None
) -> pd.DataFrame:
    """Return the mean diversity of every field's sets over all pairs of sets.

    Parameters
    ----------
    source : str, Path or object
        A checkpoint, as `collapse.load` takes it.
    split : int, optional
        Split the table of a single-embedding model into this many sets of consecutive columns.
    settings : AnalysisSettings, optional
        Draws and seed of the random sets. All rows are used, as in the paper.

    Returns
    -------
    pandas.DataFrame
        One row per field: ``field``, ``cardinality``, the number of ``sets`` M, the ``columns`` K of a set,
        ``div`` = 1 - ||cos phi||_1 / K, ``div_rank`` with min(D, K) instead of K, and ``div_random``, the mean
        ``div`` of random normal sets.

    Raises
    ------
    CollapseError
        If there is only one set and no `split`, the columns cannot be split evenly, the sets differ in size, or a
        table holds NaN or infinity.
    """
    return pd.DataFrame.from_records(list(_records(load(source), split, settings or AnalysisSettings())))


def _records(tables: TableSet, split: int | None, settings: AnalysisSettings) -> Iterator[dict[str, Any]]:
    for table in tables:
        sets = _sets(table, tables, split)
        D, K = sets[0].shape
        try:
            spaces = ColumnSpaces(sets)
        except ValueError as error:
            raise CollapseError(f"field {table.field!r} of {tables.source}: {error}") from error
        cosines = [spaces.cosines(m, n) for m, n in combinations(range(len(sets)), 2)]
        yield {
            "field": table.field,
            "cardinality": table.cardinality,
            "sets": len(sets),
            "columns": K,
            "div": float(np.mean([diversity_of_cosines(each, K) for each in cosines])),
            "div_rank": float(np.mean([diversity_of_cosines(each, K, divisor="rank") for each in cosines])),
            "div_random": random_diversity(D, K, draws=settings.draws, seed=settings.seed),
        }


def _sets(table: EmbeddingTable, tables: TableSet, split: int | None) -> list[Any]:
    if table.sets > 1:
        if len(set(table.sizes)) > 1:
            raise CollapseError(f"the sets of field {table.field!r} of {tables.source} differ in size")
        return [table.set(m) for m in range(table.sets)]
    if split is None:
        raise CollapseError(
            f"{tables.source} ({tables.name}) has only one set: diversity needs a multi-embedding checkpoint, "
            "or a number of sets to split the table into"
        )
    columns = table.E.shape[1]
    if split < 2 or columns % split:
        raise CollapseError(
            f"the {columns} columns of field {table.field!r} of {tables.source} cannot be split into {split} sets"
        )
    size = columns // split
    return [table.E[:, m * size : (m + 1) * size] for m in range(split)]
