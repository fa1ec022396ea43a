"""`--fail-if`, `--baseline` and `--allow-missing`: which fields make a pipeline fail."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collapse.errors import CollapseError
from collapse.printable import counted, printable

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 8
"""Most fields that a line on standard error names."""


def failures(
    frames: "Sequence[pd.DataFrame]",
    conditions: Sequence[str],
    baseline: Path | None,
    allow_missing: str | None = None,
) -> dict[str, list[str]]:
    """Find the fields that make a pipeline fail.

    Parameters
    ----------
    frames : sequence of pandas.DataFrame
        The result of `diagnose` for each checkpoint.
    conditions : sequence of str
        Conditions as `collapse.analysis.condition.failing` takes them.
    baseline : Path, optional
        An earlier ``--json`` report. With it, a field fails a condition only if it did not meet the condition in
        the report. Without conditions, a field fails if it has collapsed further, or is new and collapsed. Missing
        fields always fail. The numbers of compared, new and missing fields are printed to standard error.
    allow_missing : str, optional
        A regular expression for fields of the baseline that may be missing.

    Returns
    -------
    dict of str to list of str
        The failing fields by condition. Every list is empty if nothing fails.

    Raises
    ------
    CollapseError
        If a condition or the baseline cannot be read, the baseline was measured with other settings, or the two
        have no field in common.
    """
    from collapse.analysis.condition import failing

    if baseline is None:
        if allow_missing is not None:
            raise CollapseError("--allow-missing needs a --baseline")
        known = [str(field) for frame in frames for field in frame["field"]]
        return {
            condition: [
                str(field) for frame in frames for field in failing(frame, condition, known=known)["field"]
            ]
            for condition in conditions
        }
    from collapse.analysis.baseline import as_before, check_settings, read_baseline, with_baseline, worse

    before = read_baseline(baseline)
    check_settings(before, frames[0], baseline)
    compared = [with_baseline(frame, before) for frame in frames]
    gone = _changes(baseline, compared, before)
    found = {f"missing, but in {baseline} (--allow-missing REGEX accepts them)": _not_allowed(gone, allow_missing)}
    if not conditions:
        return found | {
            f"collapsed further than in {baseline}": [str(f) for each in compared for f in worse(each)["field"]]
        }
    known = [str(field) for frame in (*frames, before) for field in frame["field"]]
    then = [as_before(each) for each in compared]
    return found | {
        condition: [
            str(field)
            for now, earlier in zip(compared, then, strict=True)
            for field in _newly(
                failing(now, condition, known=known),
                # If every field is new, there are no earlier values to test.
                failing(earlier, condition, known=known) if len(earlier) else earlier,
            )
        ]
        for condition in conditions
    }


def _changes(baseline: Path, compared: "Sequence[pd.DataFrame]", before: "pd.DataFrame") -> list[str]:
    """Print how many fields were compared, and return the fields of the baseline that are missing now."""
    new = [str(field) for each in compared for field in each.loc[each["degree_before"] == "", "field"]]
    number = sum(map(len, compared)) - len(new)
    there = {str(field) for each in compared for field in each["field_before"]}
    gone = [str(field) for field in before["field"] if field not in there]
    if not number:
        raise CollapseError(
            f"the checkpoint and {baseline} have no field in common: the checkpoint has {_named(new)}, "
            f"the baseline {_named(gone)}"
        )
    words = [f"{counted(number, 'field')} compared"]
    words += [
        f"{len(names)} {kind} ({_named(names)})" for kind, names in (("new", new), ("missing", gone)) if names
    ]
    click.echo(printable(f"{baseline}: {', '.join(words)}"), err=True)
    return gone


def _not_allowed(gone: Sequence[str], allow_missing: str | None) -> list[str]:
    try:
        return [field for field in gone if allow_missing is None or not re.search(allow_missing, field)]
    except re.error as error:
        raise CollapseError(f"--allow-missing {allow_missing!r} is not a regular expression: {error}") from error


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + ", .." * (len(names) > _NAMED)


def _newly(now: "pd.DataFrame", then: "pd.DataFrame") -> "pd.Series[str]":
    fields: pd.Series[str] = now["field"]
    return fields[~fields.isin(then["field"])]


def tell(found: Mapping[str, Sequence[str]]) -> None:
    """Print the failing fields of each condition to standard error."""
    for condition, names in found.items():
        if names:
            click.echo(printable(f"{condition}: {', '.join(names)}"), err=True)


def fail(found: Mapping[str, Sequence[str]]) -> None:
    """Print the failing fields, and exit with code 1 if there are any."""
    tell(found)
    if any(found.values()):
        raise click.exceptions.Exit(1)
