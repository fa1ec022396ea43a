"""Rows that look as if training never touched them, for tables without row counts.

Shapes: D rows of a table (cardinality), K columns.
"""

import numpy as np
from numpy.typing import NDArray

_FEWEST_ROWS, _FEWEST_COLUMNS = 50, 8
"""Fewest rows and columns: few norms show no peak, and few columns no narrow one."""
_SAMPLE = 2**14
"""Number of norms that are searched for a peak; sorting all norms of a long table takes longer than its Gram
matrix."""
_WIDTH = 2.5
"""Half the width of a peak in standard deviations, which covers 99 % of the norms of an initialisation."""
_LEAST, _OTHERS, _AROUND = 0.1, 0.02, 0.04
"""Smallest fraction of rows inside the peak and far outside it, and largest fraction just around it, relative to
the peak. A normal initialisation alone has 0.012."""
_DEVIATION = 0.3, 1.15
"""Allowed standard deviations inside the peak, relative to a normal initialisation. A uniform one has 0.63, and
rows clipped to a norm have 0."""


def untouched_rows(norms: NDArray[np.float64], K: int) -> int:
    """Count the rows that have the norm of an initialisation while others do not.

    Parameters
    ----------
    norms : (D,) array
        Norms of the rows.
    K : int
        Number of columns.

    Returns
    -------
    int
        Number of rows in a narrow, isolated peak of the norms. It is 0 if there is no peak, if all rows are in it,
        or if the table has fewer than 50 rows or 8 columns.

    Notes
    -----
    The norm of a row of K independent numbers has a relative standard deviation of 1 / sqrt(2 K) if they are
    normal, and sqrt(0.2 / K) if they are uniform. Training spreads the norms more widely.
    """
    if len(norms) < _FEWEST_ROWS or K < _FEWEST_COLUMNS:
        return 0
    sample = np.sort(norms[:: -(-len(norms) // _SAMPLE)])
    sample = sample[sample > 0]
    if len(sample) < _FEWEST_ROWS:
        return 0
    deviation = 1 / np.sqrt(2 * K)
    reach = _WIDTH * deviation
    # The window that contains the most rows.
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
