"""Advice for a field that fits its cause, in the terms of the library that wrote the checkpoint."""

import shlex
from collections.abc import Mapping
from typing import Any

import pandas as pd

from collapse.analysis.verdicts import Cause, Degree
from collapse.io.families import FAMILIES
from collapse.io.tables import TableSet

_MANY_ROWS, _PULLS, _MUCH_SMALLER = 0.1, 0.9, 0.75
NOTHING = "nothing: the field uses its directions"


def advice(
    diagnosis: Mapping[str, Any], tables: TableSet, *, columns: int, partners: pd.DataFrame | None = None
) -> list[str]:
    """Return advice for a field, one sentence each.

    Parameters
    ----------
    diagnosis : mapping
        The field's row of `collapse.analysis.diagnosis.diagnose`.
    tables : TableSet
        The checkpoint, which knows its library.
    columns : int
        Number of columns of the field's table, M K.
    partners : pandas.DataFrame, optional
        The fields that it interacts with, as in `collapse.analysis.explanation.Explanation`.

    Returns
    -------
    list of str
        What to do with the checkpoint's own library, or a sentence that nothing needs to be done.
    """
    degree, cause = Degree(diagnosis["degree"]), Cause(diagnosis["cause"])
    found = []
    if cause is not Cause.NONE:
        found.append(_OF_CAUSE[cause])
    elif degree in (Degree.COLLAPSED, Degree.PARTLY):
        found += _of_collapse(tables, int(diagnosis["k99"]), columns, partners)
    if diagnosis["cardinality"] < columns:
        found.append(
            f"the {diagnosis['cardinality']} rows of the table cannot fill {columns} columns: a smaller "
            f"size{_where(tables)} costs nothing"
        )
    untrained = 0 if pd.isna(diagnosis["rows_trained"]) else diagnosis["cardinality"] - diagnosis["rows_trained"]
    if untrained >= _MANY_ROWS * diagnosis["cardinality"]:
        found.append(
            f"training never looked up {untrained:,} of the {diagnosis['cardinality']:,} rows: use a smaller "
            "vocabulary, or map rare values to one row"
        )
    elif diagnosis["near_zero"] >= _MANY_ROWS:
        found.append(
            f"{diagnosis['near_zero']:.0%} of the rows are near zero, as weight decay leaves rows with hardly "
            "any gradient: merge rare values"
        )
    return found or [NOTHING]


_OF_CAUSE = {
    Cause.CONSTANT: (
        "leave the constant columns out of the analysis: libraries store columns of ones for biases, and the "
        "rest of the table is spread out"
    ),
    Cause.MEAN: (
        "a common offset of all rows needs no remedy if embeddings are multiplied or pass through a layer with "
        "a bias; before a search by cosine, subtract the mean row"
    ),
    Cause.POPULARITY: (
        "frequent values share the direction of popularity: weight the loss against frequency, or penalise the "
        "largest singular value; before a search by cosine, project the direction out"
    ),
    Cause.FIRST: (
        "one direction is stronger than the others, which are spread out: a smaller size or several sets would "
        "not change that, but a penalty on the largest singular value would"
    ),
}


def _of_collapse(tables: TableSet, k99: int, columns: int, partners: pd.DataFrame | None) -> list[str]:
    """Advise on collapse in the paper's sense: a smaller size, several sets, or a penalty."""
    found = []
    met = "other fields"
    if partners is not None and len(pulling := partners[partners["left"] < _PULLS]):
        met = ", ".join(pulling["field"].head(3))
        found.append(f"the field loses the most abundance when it interacts with {met}")
    if k99 <= _MUCH_SMALLER * columns:
        found.append(
            f"{k99} of {columns} directions hold 99 % of the energy: a smaller size{_where(tables)} loses "
            "little (measure it with `collapse truncate`)"
        )
    if tables.sets == 1:
        sets = f"use several smaller sets, each with its own interaction with {met}"
        found.append(f"{sets}{_sets_command(tables)}")
    penalty = " (`collapse train --table-penalty spectral`)" if is_own(tables) else ", as a term of your loss"
    found.append(f"penalise the singular values of the embeddings in each batch{penalty}")
    return found


def _sets_command(tables: TableSet) -> str:
    """Return how to train several sets with the same total number of columns."""
    if not is_own(tables):
        return ": multi-embedding, with several tables per field in your model"
    sets = next((sets for sets in (4, 2) if tables.sizes[-1] >= 2 * sets), 2)
    model = f"{tables.name.partition('-')[0]}-{max(1, tables.sizes[-1] // sets)}x{sets}"
    return f" (`collapse train --model {model} --data {shlex.quote(tables.description['data'])}`)"


def is_own(tables: TableSet) -> bool:
    """Return whether `collapse train` wrote a checkpoint."""
    return "read as" not in tables.description and bool(tables.settings)


def _where(tables: TableSet) -> str:
    """Return where the library of a checkpoint sets the embedding size, in parentheses."""
    library = tables.description.get("read as")
    setting = next((family.size_setting for family in FAMILIES if family.name == library), "")
    return f" ({setting})" if setting else ""
