"""Section 4.1's gradient split over a checkpoint and a batch: what each field adds to an embedding's gradient.

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
    """Split the gradient of one row of a field's table into the other fields' directions.

    The tables are taken under the interaction of Section 4.1, h = sum_{i < j} e_i^T e_j (FM), with the mean binary
    cross-entropy of the batch as the loss, whatever model they were trained in. The sets of an ME model are side
    by side, as FM takes them (Appendix E).

    Parameters
    ----------
    source : str, Path or object
        A checkpoint, as `collapse.load` takes it, all tables of one size.
    ids : (B, N) array of int
        The batch: the row of its own field's table for every field, in the order of the tables.
    labels : (B,) array
        0 or 1.
    field : str
        The field of the embedding.
    row : int
        Its row.

    Returns
    -------
    pandas.DataFrame
        A row a field other than `field` and direction: ``field``, ``k`` from 1, ``alpha``, ``sigma``, and
        ``weight`` = alpha_ik sigma_ik, the coefficient of v_ik in theta_i. ``attrs["gradient"]`` holds
        sum_i theta_i = dL/de, shape (K,).

    Raises
    ------
    CollapseError
        If there is no such field or row, the tables differ in size, or the batch does not fit them.
    """
    tables = load(source)
    if field not in tables.fields:
        raise CollapseError(f"{tables.source} has no field {field!r}; it has {', '.join(tables.fields)}")
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
        raise CollapseError(f"the tables of {tables.source} differ in size, and an inner product needs one")
    if not 0 <= row < tables.tables[own].cardinality:
        raise CollapseError(
            f"field {tables.fields[own]!r} has {tables.tables[own].cardinality} rows and no row {row}"
        )
    if len(tables) < 2 or ids.ndim != 2 or ids.shape[1] != len(tables) or len(labels) != len(ids):
        raise CollapseError(
            f"a batch of ids of shape {ids.shape} and {len(labels)} labels does not fit {len(tables)} fields"
        )
    cardinalities = np.array([table.cardinality for table in tables])
    if (ids < 0).any() or (ids >= cardinalities).any():
        outside = ((ids < 0) | (ids >= cardinalities)).any(axis=0)
        raise CollapseError(f"an id of field {tables.fields[int(outside.argmax())]!r} is outside of its table")
