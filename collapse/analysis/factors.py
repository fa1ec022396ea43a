"""One pass over each table; every measure after it works on a small factor.

Shapes: N fields, K embedding size, M sets, D rows of a table (cardinality), R = min(D, M K).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from collapse.analysis.choices import Choices
from collapse.analysis.measures.rows import near_zero_share
from collapse.analysis.measures.spectra import factor
from collapse.errors import CollapseError
from collapse.tables import EmbeddingTable, TableSet


@dataclass(frozen=True, kw_only=True, eq=False)
class FactoredTable:
    """A table's factor R with R^T R = E^T E, and what else its one pass gave."""

    field: str
    """The field's name."""
    cardinality: int
    """All rows of the table, D."""
    rows: int
    """The rows that entered the factor."""
    rows_seen: int | None
    """The rows looked up in training; None if the checkpoint does not tell."""
    near_zero: float
    """The share of near-zero rows among those that entered."""
    R: NDArray[np.floating]
    """The factor, shape (min(rows, M K), M K): singular values and right singular vectors are those of E."""
    sigma: NDArray[np.floating]
    """The singular values, descending, shape (min(rows, M K),)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FactoredTables:
    """A checkpoint's tables, factored."""

    tables: TableSet
    """Where they come from."""
    choices: Choices
    """What entered."""
    factors: tuple[FactoredTable, ...]
    """One a field, in the model's order."""

    def __iter__(self) -> Iterator[FactoredTable]:
        return iter(self.factors)


def factorise(tables: TableSet, choices: Choices) -> FactoredTables:
    """Factor every table, the sets of a field side by side as in Figure 8b.

    Parameters
    ----------
    tables : TableSet
        The tables.
    choices : Choices
        Which rows enter, and what counts as near zero.

    Returns
    -------
    FactoredTables
        One factor a field.

    Raises
    ------
    CollapseError
        If a table holds NaN or infinity, or the rows seen in training are asked for and not known, or none.
    """
    progress = tqdm(tables, desc=tables.name, total=len(tables), unit="fields", leave=False, disable=None)
    return FactoredTables(
        tables=tables,
        choices=choices,
        factors=tuple(_factored(table, tables.source, choices) for table in progress),
    )


def _factored(table: EmbeddingTable, source: str, choices: Choices) -> FactoredTable:
    E = table.E
    if choices.rows == "seen":
        if table.row_counts is None:
            raise CollapseError(f"{source} does not tell which rows were seen in training: use all rows")
        E = E[table.row_counts > 0]
        if not len(E):
            raise CollapseError(f"no row of field {table.field!r} of {source} was seen in training: use all rows")
    try:
        R = factor(E)
    except ValueError as error:
        raise CollapseError(f"field {table.field!r} of {source}: {error}") from error
    return FactoredTable(
        field=table.field,
        cardinality=table.cardinality,
        rows=len(E),
        rows_seen=None if table.row_counts is None else int(np.count_nonzero(table.row_counts)),
        near_zero=near_zero_share(E, tolerance=choices.near_zero),
        R=R,
        sigma=np.linalg.svd(R, compute_uv=False),
    )
