"""Measures of a spectrum that other packages register, in the group ``collapse.measures``.

A measure is a function of the singular values, descending, shape (R,), and of the numbers of rows D and columns K.
It becomes a column of every diagnosis.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError, first_line
from collapse.plugins import registered

GROUP = "collapse.measures"

Measure = Callable[[NDArray[np.float64], int, int], float]


@cache
def own_measures(taken: Collection[str] = ()) -> Mapping[str, Measure]:
    """Return the registered measures by name, in alphabetical order.

    Parameters
    ----------
    taken : collection of str
        Names that a measure may not have.

    Raises
    ------
    CollapseError
        If a name is not an identifier in small letters or is taken, or a measure cannot be imported.
    """
    found = registered(GROUP, "measure", taken=taken)
    for name, measure in found.items():
        if not callable(measure):
            raise CollapseError(f"the measure {name!r} is not a function")
        if "-" in name:
            raise CollapseError(f"the measure {name!r} is a column's name: write _ for -")
    return found


def measured(
    own: Mapping[str, Measure], sigma: NDArray[np.float64], D: int, K: int, *, field: str
) -> dict[str, float]:
    """Return the registered measures of a spectrum.

    Raises
    ------
    CollapseError
        If a measure fails, or returns something else than a number.
    """
    values = {}
    for name, measure in own.items():
        try:
            values[name] = float(measure(sigma.copy(), D, K))
        except Exception as error:
            raise CollapseError(
                f"the measure {name!r} fails for field {field!r}: {type(error).__name__}: {first_line(error)}"
            ) from error
    return values
