"""Drift between two checkpoints of a model, field by field."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.analysis.factorised import FactoredTables
from collapse.analysis.field_names import matched_names
from collapse.errors import CollapseError
from collapse.io.blocks import as_array
from collapse.io.readers.row_ids import RowIds
from collapse.measures.drift import drift, drift_state

COLUMNS = (
    "drift_rows", "drift_directions", "drift_overlap", "drift_overlap_random", "drift_overlap_columns",
    "drift_residue", "drift_distance", "drift_moved", "drift_norm_change", "drift_popularity_change",
)  # fmt: skip
"""Columns of `drift_table` that a condition may use."""


def drift_table(
    now: FactoredTables,
    before: FactoredTables,
    frames: tuple[pd.DataFrame, pd.DataFrame],
    *,
    ids: tuple[RowIds, RowIds] | None = None,
    moved: float = 0.1,
) -> pd.DataFrame:
    """Measure how far the tables of every common field have moved.

    Parameters
    ----------
    now, before : FactoredTables
        The checkpoints.
    frames : (pandas.DataFrame, pandas.DataFrame)
        Their diagnoses, now and before.
    ids : (mapping, mapping), optional
        Results of `read_row_ids`, now and before, to match rows by value. Without them, row n is matched with row
        n.

    Returns
    -------
    pandas.DataFrame
        One row per common field, in the order of `now`: ``field``, and the attributes of
        `collapse.measures.drift.Drift` and the change of the popularity alignment (``cosine_log_counts``) as
        ``drift_rows`` and so on. Rows that training never looked up in either checkpoint are left out if rows are
        selected. ``attrs["notes"]`` says what was assumed.

    Raises
    ------
    CollapseError
        If a table holds NaN or infinity, or ids do not fit the tables.
    """
    our_names, their_names = matched_names(now.tables.fields, before.tables.fields)
    place = {name: number for number, name in enumerate(their_names)}
    records, notes = [], []
    for i, name in enumerate(our_names):
        if name not in place:
            continue
        j = place[name]
        ours, theirs = now.tables.tables[i], before.tables.tables[j]
        rows = _matched(ours.field, (ours.cardinality, theirs.cardinality), ids)
        if ids is None and ours.cardinality != theirs.cardinality:
            notes.append(f"{ours.field} ({theirs.cardinality:,} rows before, {ours.cardinality:,} now)")
        rows = _used(rows, now.measured[i].weights, before.measured[j].weights)
        try:
            found = asdict(drift(drift_state(_Rows(theirs.E, rows[1]), _Rows(ours.E, rows[0]), moved=moved)))
        except ValueError as error:
            raise CollapseError(f"field {ours.field!r}: {error}") from error
        popularity = [
            float(frame["cosine_log_counts"].iloc[number]) for frame, number in zip(frames, (i, j), strict=True)
        ]
        found["popularity_change"] = popularity[0] - popularity[1]
        records.append({"field": ours.field, **{f"drift_{key}": value for key, value in found.items()}})
    table = pd.DataFrame(records, columns=["field", *COLUMNS])
    if notes:
        table.attrs["notes"] = (
            f"rows are matched by number, which may be wrong where cardinalities differ: {', '.join(notes)}"
        )
    return table


def _matched(
    field: str, cardinalities: tuple[int, int], ids: tuple[RowIds, RowIds] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows in common, now and before."""
    if ids is None:
        common = np.arange(min(cardinalities))
        return common, common
    parts = []
    for of, D in zip(ids, cardinalities, strict=True):
        only = next(iter(of)) if len(of) == 1 and "" in of else field
        if only not in of:
            raise CollapseError(f"there are no ids for the rows of field {field!r}")
        values, rows = of[only]
        if len(rows) and rows.max() >= D:
            raise CollapseError(f"there is an id for row {rows.max():,} of field {field!r}, which has {D:,} rows")
        parts.append(pd.DataFrame({"id": values, "row": rows}))
    both = parts[0].merge(parts[1], on="id").sort_values("row_x")
    return both["row_x"].to_numpy(), both["row_y"].to_numpy()


def _used(
    rows: tuple[NDArray[np.int64], NDArray[np.int64]], now: NDArray[Any] | None, before: NDArray[Any] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Leave out rows of weight 0 in either checkpoint."""
    keep = np.ones(len(rows[0]), bool)
    for of, weights in zip(rows, (now, before), strict=True):
        if weights is not None:
            keep &= weights[of] > 0
    return rows[0][keep], rows[1][keep]


class _Rows:
    """Rows of a table in a given order, read in slices."""

    def __init__(self, E: Any, rows: NDArray[np.int64]) -> None:
        self._E, self._rows = E, rows
        self.shape = (len(rows), int(E.shape[1]))

    def __getitem__(self, part: slice) -> NDArray[Any]:
        rows = self._rows[part]
        if not len(rows):
            return np.empty((0, self.shape[1]))
        first, last = int(rows.min()), int(rows.max()) + 1
        if last - first <= 2 * len(rows):
            # Nearly adjacent rows are read as one slice, which every table has.
            return as_array(self._E[first:last])[rows - first]
        return as_array(self._E[rows])
