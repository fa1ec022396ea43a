"""The 8:1:1 split into training, validation and test rows (Section 5.2)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The row numbers of each part, disjoint, in ascending order."""

    train: NDArray[np.int64]
    """The rows to train on."""
    validation: NDArray[np.int64]
    """The rows that decide when to stop."""
    test: NDArray[np.int64]
    """The rows that the result is told of."""


def split_rows(rows: int, seed: int) -> Split:
    """Split row numbers at random into 80 % training, 10 % validation and the rest for the test.

    Parameters
    ----------
    rows : int
        The number of rows.
    seed : int
        The seed of the split alone, from 0 to 2**32 - 1.

    Returns
    -------
    Split
        int(0.8 rows), int(0.1 rows) and the remaining row numbers.

    Notes
    -----
    Drawn from `numpy.random.RandomState`, whose stream NumPy has frozen for good (NEP 19); that of
    `default_rng` may change with a release, and a published split must not. Each part is sorted because
    ascending reads are kinder to memory; the order of training is drawn elsewhere, from a seed of its own.
    """
    order = np.random.RandomState(seed).permutation(rows).astype(np.int64)
    train, validation, test = np.split(order, np.cumsum([int(0.8 * rows), int(0.1 * rows)]))
    return Split(train=np.sort(train), validation=np.sort(validation), test=np.sort(test))


def nested_subset(rows: NDArray[np.int64], fraction: float, *, seed: int) -> NDArray[np.int64]:
    """Draw a share of some rows, of which a smaller share is a part.

    Parameters
    ----------
    rows : (n,) array of int
        The rows.
    fraction : float
        Above 0 and at most 1.
    seed : int
        From 0 to 2**32 - 1; the draw is another one than that of `split_rows` with this seed.

    Returns
    -------
    (m,) array of int
        int(share n) of them, at least one, in ascending order.
    """
    order = np.random.RandomState([seed, 1]).permutation(len(rows))
    subset: NDArray[np.int64] = np.sort(rows[order[: max(int(fraction * len(rows)), 1)]])
    return subset
