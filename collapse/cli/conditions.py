"""`--fail-if`, `--baseline` and `--allow-missing`: on which fields a pipeline is to fail."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collapse.errors import CollapseError
from collapse.printable import printable

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 8


def failures(
    frames: "Sequence[pd.DataFrame]",
    conditions: Sequence[str],
    baseline: Path | None,
    allow_missing: str | None = None,
) -> dict[str, list[str]]:
    """Name the fields on which a pipeline is to fail.

    Parameters
    ----------
    frames : sequence of pandas.DataFrame
        What `diagnose` returned, a checkpoint each.
    conditions : sequence of str
        As `collapse.analysis.condition.failing` takes them.
    baseline : Path, optional
        What ``--json`` printed before. A field then fails on a condition only if that did not hold for it before;
        without a condition, if it is further collapsed than before, or new and collapsed. How many fields were
        compared, which are new and which are gone is printed to standard error; those that are gone fail too.
    allow_missing : str, optional
        A regular expression of fields of the baseline that may be gone.

    Returns
    -------
    dict of str to list of str
        The fields by what they fail on; none where all is well.

    Raises
    ------
    CollapseError
        If a condition or the baseline cannot be read, the baseline was measured with other settings, or no field
        is in both.
    """
    from collapse.analysis.condition import failing

    if baseline is None:
        if allow_missing is not None:
            raise CollapseError("--allow-missing is of fields of a --baseline: name one")
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
    found = {f"gone since {baseline} (--allow-missing REGEX lets them be)": _not_allowed(gone, allow_missing)}
    if not conditions:
        return found | {
            f"further collapsed than in {baseline}": [str(f) for each in compared for f in worse(each)["field"]]
        }
    known = [str(field) for frame in (*frames, before) for field in frame["field"]]
    then = [as_before(each) for each in compared]
    return found | {
        condition: [
            str(field)
            for now, earlier in zip(compared, then, strict=True)
            for field in _newly(
                failing(now, condition, known=known),
                # Of new fields alone there is nothing to ask of before.
                failing(earlier, condition, known=known) if len(earlier) else earlier,
            )
        ]
        for condition in conditions
    }


def _changes(baseline: Path, compared: "Sequence[pd.DataFrame]", before: "pd.DataFrame") -> list[str]:
    """Say how many fields were compared, and return those of the baseline that are gone."""
    new = [str(field) for each in compared for field in each.loc[each["degree_before"] == "", "field"]]
    number = sum(map(len, compared)) - len(new)
    there = {str(field) for each in compared for field in each["field_before"]}
    gone = [str(field) for field in before["field"] if field not in there]
    if not number:
        raise CollapseError(
            f"no field is in the checkpoint and in {baseline}: one has {_named(new)}, the other {_named(gone)}"
        )
    words = [f"{number} field{'s' * (number != 1)} compared"]
    words += [f"{len(names)} {kind} ({_named(names)})" for kind, names in (("new", new), ("gone", gone)) if names]
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
    """Tell which fields failed on what."""
    for condition, names in found.items():
        if names:
            click.echo(printable(f"{condition}: {', '.join(names)}"), err=True)


def fail(found: Mapping[str, Sequence[str]]) -> None:
    """Tell which fields failed on what, and end with code 1 if any did."""
    tell(found)
    if any(found.values()):
        raise click.exceptions.Exit(1)
