"""The 8:1:1 split into training, validation and test rows (Section 5.2): at random, or in the order of time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collapse.training.data.store.prepared import PreparedData


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Row numbers of each part: disjoint, ascending."""

    train: NDArray[np.int64]
    """Rows for training."""
    validation: NDArray[np.int64]
    """Rows that decide when to stop."""
    test: NDArray[np.int64]
    """Rows for the final metrics."""


def split_rows(rows: int, seed: int) -> Split:
    """Split row numbers at random into 80 % for training, 10 % for validation and the rest for testing.

    Parameters
    ----------
    rows : int
        Number of rows.
    seed : int
        Seed of the split only, from 0 to 2**32 - 1.

    Returns
    -------
    Split
        int(0.8 rows), int(0.1 rows) and the remaining row numbers.

    Notes
    -----
    The split is drawn from `numpy.random.RandomState`, whose stream is frozen (NEP 19). The stream of
    `default_rng` may change with a release, which a published split must not. Each part is sorted, because
    ascending reads are faster; the order of training is drawn elsewhere from another seed.
    """
    order = np.random.RandomState(seed).permutation(rows).astype(np.int64)
    train, validation, test = np.split(order, np.cumsum([int(0.8 * rows), int(0.1 * rows)]))
    return Split(train=np.sort(train), validation=np.sort(validation), test=np.sort(test))


def parts_in_order(keys: NDArray[Any]) -> NDArray[np.uint8]:
    """Split rows by their order: the first 80 % for training, the next 10 % for validation, the last for testing.

    Parameters
    ----------
    keys : (rows,) array
        What rows are ordered by, such as their times. Equal keys keep the order of their rows.

    Returns
    -------
    (rows,) array of uint8
        0 for a training row, 1 for validation and 2 for testing.
    """
    rows = len(keys)
    parts = np.full(rows, 2, dtype=np.uint8)
    order = np.argsort(keys, kind="stable")
    parts[order[: int(0.8 * rows) + int(0.1 * rows)]] = 1
    parts[order[: int(0.8 * rows)]] = 0
    return parts


def split_of(data: "PreparedData", seed: int) -> Split:
    """Return the split of a data set: the one that it was prepared with, or at random.

    Parameters
    ----------
    data : PreparedData
        The data set.
    seed : int
        Seed of a random split.
    """
    if data.parts is None:
        return split_rows(data.rows, seed)
    train, validation, test = (np.flatnonzero(data.parts == part) for part in range(3))
    return Split(train=train, validation=validation, test=test)


def nested_subset(rows: NDArray[np.int64], fraction: float, *, seed: int) -> NDArray[np.int64]:
    """Draw a fraction of some rows. The rows of a smaller fraction are among those of a larger one.

    Parameters
    ----------
    rows : (n,) array of int
        The rows.
    fraction : float
        Above 0 and at most 1.
    seed : int
        From 0 to 2**32 - 1. The draw differs from that of `split_rows` with this seed.

    Returns
    -------
    (m,) array of int
        int(fraction n) of the rows, at least one, ascending.
    """
    order = np.random.RandomState([seed, 1]).permutation(len(rows))
    subset: NDArray[np.int64] = np.sort(rows[order[: max(int(fraction * len(rows)), 1)]])
    return subset
