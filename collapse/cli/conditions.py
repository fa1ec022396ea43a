"""`--fail-if` and `--baseline`: conditions on a field's measures, in a small language that can do nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.errors import CollapseError
from collapse.visible import visible

if TYPE_CHECKING:
    import pandas as pd


def failures(
    frames: "Sequence[pd.DataFrame]", conditions: Sequence[str], baseline: Path | None
) -> dict[str, list[str]]:
    """Name the fields on which a pipeline is to fail.

    Parameters
    ----------
    frames : sequence of pandas.DataFrame
        What `diagnose` returned, a checkpoint each.
    conditions : sequence of str
        As `failing` takes them.
    baseline : Path, optional
        What ``--json`` printed before. A field then fails on a condition only if that did not hold for it before;
        without a condition, if it is further collapsed than before.

    Returns
    -------
    dict of str to list of str
        The fields by condition; none where all is well.

    Raises
    ------
    CollapseError
        If a condition or the baseline cannot be read.
    """
    if baseline is None:
        return {
            condition: [str(field) for frame in frames for field in failing(frame, condition)["field"]]
            for condition in conditions
        }
    from collapse.analysis.baseline import as_before, read_baseline, with_baseline, worse

    before = read_baseline(baseline)
    compared = [with_baseline(frame, before) for frame in frames]
    if not conditions:
        return {
            f"further collapsed than in {baseline}": [str(f) for each in compared for f in worse(each)["field"]]
        }
    then = [as_before(each) for each in compared]
    return {
        condition: [
            str(field)
            for now, earlier in zip(compared, then, strict=True)
            for field in _newly(failing(now, condition), failing(earlier, condition))
        ]
        for condition in conditions
    }


def _newly(now: "pd.DataFrame", then: "pd.DataFrame") -> "pd.Series[str]":
    fields: pd.Series[str] = now["field"]
    return fields[~fields.isin(then["field"])]


def fail(found: Mapping[str, Sequence[str]]) -> None:
    """Tell which fields failed on what, and end with code 1 if any did."""
    for condition, names in found.items():
        if names:
            click.echo(visible(f"{condition}: {', '.join(names)}"), err=True)
    if any(found.values()):
        raise click.exceptions.Exit(1)


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
