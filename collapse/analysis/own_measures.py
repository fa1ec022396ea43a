"""Measures of a spectrum that other packages register, in the group ``collapse.measures``.

A measure is a function of the singular values, descending, shape (R,), and of the numbers of rows D and columns K.
It becomes a column of every diagnosis.
"""

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError, first_line

GROUP = "collapse.measures"
_NAME = re.compile(r"[a-z][a-z0-9_]*")

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
    found: dict[str, Measure] = {}
    for point in sorted(set(entry_points(group=GROUP)), key=lambda point: (point.name, point.value)):
        what = f"the measure {point.name!r} of {point.value}"
        if not _NAME.fullmatch(point.name) or point.name in taken or point.name in found:
            raise CollapseError(f"{what} must have a name of its own in small letters, digits and _: uninstall it")
        try:
            measure: Any = point.load()
        except Exception as error:
            raise CollapseError(
                f"{what} cannot be imported: {type(error).__name__}: {first_line(error)}"
            ) from error
        if not callable(measure):
            raise CollapseError(f"{what} is not a function")
        found[point.name] = measure
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
