"""How often the training rows look up every table row."""

import numpy as np
from numpy.typing import NDArray

from collapse.training.data.store.prepared import PreparedData
from collapse.training.data.store.sidecars import keep_row_counts, read_row_counts


def training_row_counts(
    data: PreparedData, rows: NDArray[np.int64], *, split_seed: int | None
) -> NDArray[np.int64]:
    """Return the counts of one pass over the training rows, from a file next to the data if there is one.

    Parameters
    ----------
    data : PreparedData
        The data set.
    rows : (n,) array
        The training rows.
    split_seed : int or None
        Seed of their split, under which the counts are stored. None if they are only some of the training rows;
        the counts are then not stored.

    Returns
    -------
    (sum D_i,) array
        The counts, field after field.
    """
    if split_seed is None:
        return count_rows(data, rows)
    shape = (data.schema.rows_total,)
    kept = read_row_counts(data.path, seed=split_seed, data_hash=data.data_hash, shape=shape)
    if kept is not None:
        return kept
    counts = count_rows(data, rows)
    keep_row_counts(data.path, counts, seed=split_seed, data_hash=data.data_hash)
    return counts


def count_rows(data: PreparedData, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count how often one pass over some rows looks up every table row.

    Returns
    -------
    (sum D_i,) array
        The counts, field after field.
    """
    counts = np.zeros(data.schema.rows_total, dtype=np.int64)
    for start in range(0, len(rows), 2**18):
        fused = data.ids[rows[start : start + 2**18]] + data.schema.offsets
        counts += np.bincount(fused.ravel(), minlength=len(counts))
    return counts
