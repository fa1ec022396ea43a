"""`--fail-if`: a condition on a field's measures, in a small language that can do nothing else."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from collapse.errors import CollapseError

if TYPE_CHECKING:
    import pandas as pd


def failing(fields: "pd.DataFrame", condition: str) -> "pd.DataFrame":
    """Return the fields for which a condition holds.

    Parameters
    ----------
    fields : pandas.DataFrame
        What `diagnose` returned.
    condition : str
        Comparisons of its columns with numbers and texts, joined by and, or and not, with arithmetic:
        ``ia_normalised < 0.3 and cardinality > 100``.

    Returns
    -------
    pandas.DataFrame
        Those rows.

    Raises
    ------
    CollapseError
        If the condition cannot be read, names what is no column, or is neither true nor false.
    """
    return fields[[_holds(condition, record) for record in fields.to_dict("records")]]


def _holds(condition: str, record: Mapping[Any, Any]) -> bool:
    import simpleeval

    try:
        found = simpleeval.SimpleEval(names=dict(record), functions={}).eval(condition)
    except simpleeval.NameNotDefined as error:
        known = ", ".join(map(str, record))
        raise CollapseError(f"--fail-if {condition!r} names {error.name!r}; there are {known}") from error
    except (simpleeval.InvalidExpression, SyntaxError, TypeError, ValueError, ArithmeticError) as error:
        raise CollapseError(f"--fail-if {condition!r} cannot be read: {str(error).splitlines()[0]}") from error
    if not isinstance(found, (bool, *_numpy_bools())):
        raise CollapseError(f"--fail-if {condition!r} is {found!r}, neither true nor false: compare something")
    return bool(found)


def _numpy_bools() -> tuple[type, ...]:
    import numpy as np

    return (np.bool_,)
