"""Rows that look as if training never touched them, where it is not known which rows it looked up.

Shapes: D rows of a table (cardinality), K columns.
"""

import numpy as np
from numpy.typing import NDArray

_FEWEST_ROWS, _FEWEST_COLUMNS = 50, 8
"""Fewer norms show no peak, and fewer columns no narrow one."""
_SAMPLE = 2**14
"""Norms among which the peak is looked for: sorting all of a long table takes longer than its Gram matrix."""
_WIDTH = 2.5
"""Half the width of a peak, in standard deviations: 99 % of the norms of an initialisation."""
_LEAST, _OTHERS, _AROUND = 0.1, 0.02, 0.04
"""The least fraction of the rows in the peak and far outside of it, and the most just around it, relative to it:
of a normal initialisation alone it is 0.012."""
_DEVIATION = 0.3, 1.15
"""The deviation inside, relative to that of a normal initialisation; a uniform one has 0.63, and rows that were
clipped to a norm have 0."""


def untouched_rows(norms: NDArray[np.float64], K: int) -> int:
    """Count the rows whose norm is that of an initialisation, while that of others is not.

    Parameters
    ----------
    norms : (D,) array
        The norms of the rows.
    K : int
        The columns.

    Returns
    -------
    int
        The rows in a narrow, isolated peak of the norms; 0 where there is none, where all rows are in it, and for
        tables of fewer than 50 rows or 8 columns.

    Notes
    -----
    The norm of a row of K independent numbers has a relative standard deviation of 1 / sqrt(2 K), if they are
    normal, and sqrt(0.2 / K), if they are uniform. Training spreads norms wider than that.
    """
    if len(norms) < _FEWEST_ROWS or K < _FEWEST_COLUMNS:
        return 0
    sample = np.sort(norms[:: -(-len(norms) // _SAMPLE)])
    sample = sample[sample > 0]
    if len(sample) < _FEWEST_ROWS:
        return 0
    deviation = 1 / np.sqrt(2 * K)
    reach = _WIDTH * deviation
    # The window that holds the most rows.
    ends = np.searchsorted(sample, sample * (1 + reach) / (1 - reach), side="right")
    first = int(np.argmax(ends - np.arange(len(sample))))
    middle = float(np.median(sample[first : ends[first]]))
    inside = sample[_near(sample, middle, reach)]
    wider = int(np.count_nonzero(_near(sample, middle, 2 * reach)))
    is_peak = (
        len(inside) >= _LEAST * len(sample)
        and len(sample) - wider >= _OTHERS * len(sample)
        and wider - len(inside) <= _AROUND * len(inside)
        and _DEVIATION[0] <= float(inside.std()) / (middle * deviation) <= _DEVIATION[1]
    )
    return int(np.count_nonzero(_near(norms, middle, reach))) if is_peak else 0


def _near(norms: NDArray[np.float64], middle: float, reach: float) -> NDArray[np.bool_]:
    return (norms >= middle * (1 - reach)) & (norms <= middle * (1 + reach))
