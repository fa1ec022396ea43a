"""What to do about a field: what fits its cause, in the terms of the library that its checkpoint is from."""

import shlex
from collections.abc import Mapping
from typing import Any

import pandas as pd

from collapse.analysis.verdicts import Cause, Degree
from collapse.io.families import FAMILIES
from collapse.io.tables import TableSet

_MANY_ROWS, _PULLS, _MUCH_SMALLER = 0.1, 0.9, 0.75
NOTHING = "nothing: its directions are used"


def advice(
    diagnosis: Mapping[str, Any], tables: TableSet, *, columns: int, partners: pd.DataFrame | None = None
) -> list[str]:
    """Say what follows from a field's numbers, a sentence each.

    Parameters
    ----------
    diagnosis : mapping
        Its row of `collapse.analysis.diagnosis.diagnose`.
    tables : TableSet
        The checkpoint, which says what library it is from.
    columns : int
        All columns of its table, M K.
    partners : pandas.DataFrame, optional
        The fields that it meets, as in `collapse.analysis.explanation.Explanation`.

    Returns
    -------
    list of str
        What can be done with the checkpoint's own library; one sentence where nothing has to be.
    """
    degree, cause = Degree(diagnosis["degree"]), Cause(diagnosis["cause"])
    found = []
    if cause is not Cause.NONE:
        found.append(_OF_CAUSE[cause])
    elif degree in (Degree.COLLAPSED, Degree.PARTLY):
        found += _of_collapse(tables, int(diagnosis["k99"]), columns, partners)
    if diagnosis["cardinality"] < columns:
        found.append(
            f"its {diagnosis['cardinality']} rows cannot fill {columns} columns: a smaller size{_where(tables)} "
            "costs nothing"
        )
    untrained = 0 if pd.isna(diagnosis["rows_trained"]) else diagnosis["cardinality"] - diagnosis["rows_trained"]
    if untrained >= _MANY_ROWS * diagnosis["cardinality"]:
        found.append(
            f"training never looked up {untrained:,} of its {diagnosis['cardinality']:,} rows: a smaller "
            "vocabulary, or one row that rare values share, saves them"
        )
    elif diagnosis["near_zero"] >= _MANY_ROWS:
        found.append(
            f"{diagnosis['near_zero']:.0%} of its rows are near zero, as weight decay leaves rows that get hardly "
            "any gradient: merge rare values"
        )
    return found or [NOTHING]


_OF_CAUSE = {
    Cause.CONSTANT: (
        "leave the constant columns out of what you analyse: libraries write columns of ones for biases, and the "
        "rest of the table is spread out"
    ),
    Cause.MEAN: (
        "an offset that all rows share needs no remedy where embeddings are multiplied or pass a layer with a "
        "bias; before a search by cosine, subtract the mean row"
    ),
    Cause.POPULARITY: (
        "the direction of popularity is what frequent values have in common: weight the loss against frequency, "
        "or penalise the largest singular value; before a search by cosine, project it out"
    ),
    Cause.FIRST: (
        "one direction is stronger than all others, which are spread out: a smaller size or several sets would "
        "not change that; a penalty on the largest singular value would"
    ),
}


def _of_collapse(tables: TableSet, k99: int, columns: int, partners: pd.DataFrame | None) -> list[str]:
    """Advise on collapse in the paper's sense: a smaller size, several sets, or a penalty."""
    found = []
    met = "other fields"
    if partners is not None and len(pulling := partners[partners["left"] < _PULLS]):
        met = ", ".join(pulling["field"].head(3))
        found.append(f"the interaction with {met} leaves least of it")
    if k99 <= _MUCH_SMALLER * columns:
        found.append(
            f"{k99} of {columns} directions hold 99 % of its energy: a smaller size{_where(tables)} loses little "
            "(`collapse truncate` measures what)"
        )
    if tables.sets == 1:
        sets = f"several sets of a smaller size, each of which meets {met} in an interaction of its own"
        found.append(f"{sets}{_sets_command(tables)}")
    penalty = " (`collapse train --table-penalty spectral`)" if is_own(tables) else ", added to your loss"
    found.append(f"a penalty on the singular values of what a batch looks up{penalty}")
    return found


def _sets_command(tables: TableSet) -> str:
    """Say how to train several sets of the same columns in all."""
    if not is_own(tables):
        return ": multi-embedding, several tables for each field in your model"
    sets = next((sets for sets in (4, 2) if tables.sizes[-1] >= 2 * sets), 2)
    model = f"{tables.name.partition('-')[0]}-{max(1, tables.sizes[-1] // sets)}x{sets}"
    return f" (`collapse train --model {model} --data {shlex.quote(tables.description['data'])}`)"


def is_own(tables: TableSet) -> bool:
    """Tell whether `collapse train` wrote a checkpoint."""
    return "read as" not in tables.description and bool(tables.settings)


def _where(tables: TableSet) -> str:
    """Say where the library of a checkpoint has the size."""
    library = tables.description.get("read as")
    setting = next((family.size_setting for family in FAMILIES if family.name == library), "")
    return f" ({setting})" if setting else ""
