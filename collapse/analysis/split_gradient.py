"""The gradient of an embedding split by field, for a checkpoint and a batch (Section 4.1).

Shapes: B rows of a batch, N fields, K embedding size.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from collapse.errors import CollapseError
from collapse.io.load import load
from collapse.io.tables import TableSet
from collapse.measures.gradients import gradient_split


def split_gradient(
    source: Any, ids: NDArray[np.integer], labels: NDArray[Any], *, field: str, row: int
) -> pd.DataFrame:
    """Split the gradient of one row of a field's table into the directions of the other fields.

    The tables of any model are used with the interaction of Section 4.1, h = sum_{i < j} e_i^T e_j (FM), and the
    mean binary cross-entropy of the batch as the loss. The sets of an ME model are concatenated, as in an FM
    (Appendix E).

    Parameters
    ----------
    source : str, Path or object
        A checkpoint, as `collapse.load` takes it, whose tables all have the same size.
    ids : (B, N) array of int
        The batch: for every field the row of its own table, in the order of the tables.
    labels : (B,) array
        0 or 1.
    field : str
        Field of the embedding.
    row : int
        Row of the embedding.

    Returns
    -------
    pandas.DataFrame
        One row per other field and direction: ``field``, ``k`` from 1, ``alpha``, ``sigma``, and ``weight`` =
        alpha_ik sigma_ik, the coefficient of v_ik in theta_i. ``attrs["gradient"]`` holds sum_i theta_i = dL/de,
        shape (K,).

    Raises
    ------
    CollapseError
        If the field or row does not exist, the tables differ in size, or the batch does not fit them.
    """
    tables = load(source)
    if field not in tables.fields:
        raise CollapseError(f"{tables.source} has no field {field!r}: its fields are {', '.join(tables.fields)}")
    own = tables.fields.index(field)
    _check(tables, ids, labels, own, row)
    e_BNK = np.stack([np.asarray(table.E[ids[:, i]], np.float64) for i, table in enumerate(tables)], axis=1)
    # sum_{i < j} e_i^T e_j = (||sum_i e_i||^2 - sum_i ||e_i||^2) / 2
    logits_B = ((e_BNK.sum(1) ** 2).sum(1) - (e_BNK**2).sum((1, 2))) / 2
    residuals_B = (special.expit(logits_B) - np.asarray(labels)) / len(ids)
    holds = ids[:, own] == row
    others = [i for i in range(len(tables)) if i != own]
    terms = gradient_split(
        {tables.fields[i]: tables.tables[i].E for i in others},
        {tables.fields[i]: ids[holds, i] for i in others},
        residuals_B[holds],
    )
    frame = pd.concat(
        [
            pd.DataFrame(
                {
                    "field": name,
                    "k": np.arange(1, len(term.sigma) + 1),
                    "alpha": term.alpha,
                    "sigma": term.sigma,
                    "weight": term.alpha * term.sigma,
                }
            )
            for name, term in terms.items()
        ],
        ignore_index=True,
    )
    frame.attrs["gradient"] = np.sum([term.theta for term in terms.values()], axis=0)
    return frame


def _check(tables: TableSet, ids: NDArray[np.integer], labels: NDArray[Any], own: int, row: int) -> None:
    if len({table.E.shape[1] for table in tables}) > 1:
        raise CollapseError(
            f"the tables of {tables.source} differ in size, but an inner product needs equal sizes"
        )
    if not 0 <= row < tables.tables[own].cardinality:
        raise CollapseError(
            f"field {tables.fields[own]!r} has {tables.tables[own].cardinality} rows, but no row {row}"
        )
    if len(tables) < 2 or ids.ndim != 2 or ids.shape[1] != len(tables) or len(labels) != len(ids):
        raise CollapseError(f"ids of shape {ids.shape} and {len(labels)} labels do not fit {len(tables)} fields")
    cardinalities = np.array([table.cardinality for table in tables])
    if (ids < 0).any() or (ids >= cardinalities).any():
        outside = ((ids < 0) | (ids >= cardinalities)).any(axis=0)
        raise CollapseError(f"an id of field {tables.fields[int(outside.argmax())]!r} is out of range")
