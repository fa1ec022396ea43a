"""Comparison of a diagnosis with an earlier one."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from collapse.analysis.diagnosis import all_measures
from collapse.analysis.field_names import matched_names
from collapse.analysis.verdicts import Degree
from collapse.errors import CollapseError, first_line
from collapse.files.json_file import read_json

_ORDER = (Degree.SPREAD, Degree.DOMINATED, Degree.PARTLY, Degree.COLLAPSED)


class _Report(msgspec.Struct):
    """The part of a `collapse analyze --json` report that is needed."""

    fields: list[dict[str, str | bool | float | None]]
    choices: dict[str, str | bool | float | None] = {}


def read_baseline(path: Path) -> pd.DataFrame:
    """Read a report of ``collapse analyze --json``.

    Parameters
    ----------
    path : Path
        The report, on one checkpoint.

    Returns
    -------
    pandas.DataFrame
        One row per field: ``field``, ``degree`` and its measures. ``attrs`` holds the settings.

    Raises
    ------
    CollapseError
        If the file cannot be read, is not such a report, or is on several checkpoints.
    """
    degrees = tuple(map(str, Degree))
    try:
        report = msgspec.convert(read_json(path), _Report)
        frame = pd.DataFrame(report.fields)
        if missing := [name for name in ("field", "degree", "ia_normalised") if name not in frame]:
            raise ValueError(f"its fields have no {missing[0]}")
        if wrong := [each for each in frame["field"] if not isinstance(each, str)]:
            raise ValueError(f"a field is named {wrong[0]!r}")
        if wrong := [each for each in frame["degree"] if each not in degrees]:
            raise ValueError(f"degree must be one of {', '.join(degrees)}, got {wrong[0]!r}")
        numbers = [name for name in all_measures() if name in frame]
        frame[numbers] = frame[numbers].astype(float)
    except (msgspec.ValidationError, TypeError, ValueError, ArithmeticError) as error:
        raise CollapseError(f"{path} is not a report of `collapse analyze --json`: {first_line(error)}") from error
    if frame["field"].duplicated().any():
        raise CollapseError(f"{path} is a report on several checkpoints, but a baseline must be on one")
    frame.attrs["choices"] = report.choices
    return frame


def check_settings(baseline: pd.DataFrame, fields: pd.DataFrame, path: Path) -> None:
    """Refuse a baseline that was measured on other rows or on another layer.

    Parameters
    ----------
    baseline, fields : pandas.DataFrame
        Results of `read_baseline` and `diagnose`.
    path : Path
        The baseline, for the error message.

    Raises
    ------
    CollapseError
        If a setting differs. The message names it.
    """
    then, now = baseline.attrs["choices"], fields.attrs["choices"]
    for name in ("rows", "row_counts", "centred", "layer", "near_zero"):
        if name in then and then[name] != now[name]:
            raise CollapseError(
                f"{path} was measured with {name} {then[name]}, but this checkpoint with {now[name]}: use the "
                "same options for both"
            )


def with_baseline(fields: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Add the baseline's measures to a diagnosis.

    Parameters
    ----------
    fields : pandas.DataFrame
        Result of `diagnose`.
    baseline : pandas.DataFrame
        Result of `read_baseline`. Fields are matched without the prefixes of wrappers (`plain_name`).

    Returns
    -------
    pandas.DataFrame
        `fields` with ``MEASURE_before`` and ``MEASURE_change`` (now minus before) for every measure,
        ``degree_before`` and ``field_before``. They are NaN or empty for a field that the baseline does not have.
    """
    now_names, then_names = matched_names(fields["field"], baseline["field"])
    before = baseline.set_index(pd.Index(then_names)).reindex(now_names)
    columns: dict[str, Any] = {
        f"{name}_before": before[name].fillna("").to_numpy() for name in ("degree", "field")
    }
    for measure in all_measures():
        then = before[measure].to_numpy(float) if measure in before else np.full(len(fields), np.nan)
        now = fields[measure].to_numpy(dtype=float, na_value=np.nan)
        # Ignore differences that JSON rounds off.
        change = np.where(np.isclose(now, then, rtol=1e-12, atol=1e-14), 0.0, now - then)
        columns |= {f"{measure}_before": then, f"{measure}_change": change}
    return pd.concat([fields, pd.DataFrame(columns, index=fields.index)], axis=1)


def as_before(compared: pd.DataFrame) -> pd.DataFrame:
    """Return the earlier state of the same fields: the old measures, and no change.

    Parameters
    ----------
    compared : pandas.DataFrame
        Result of `with_baseline`.

    Returns
    -------
    pandas.DataFrame
        The fields that the baseline has, with the same columns.
    """
    known = compared[compared["degree_before"] != ""]
    columns = {measure: known[f"{measure}_before"] for measure in all_measures()}
    columns |= {f"{measure}_change": 0.0 * known[f"{measure}_before"] for measure in all_measures()}
    # A report does not hold the drift of that time.
    unknown = {name: np.nan for name in known.columns if name.startswith("drift_")}
    return known.assign(degree=known["degree_before"], **columns, **unknown)


def worse(compared: pd.DataFrame) -> pd.DataFrame:
    """Return the fields of `with_baseline`'s result that have collapsed further, or are new and collapsed.

    Returns
    -------
    pandas.DataFrame
        The rows of these fields, in the order spread out, partly collapsed, collapsed. A field that was not
        judged, before or now, is not among them.
    """
    place = {str(degree): number for number, degree in enumerate(_ORDER)}
    now, before = (compared[name].map(place) for name in ("degree", "degree_before"))
    new = (compared["degree_before"] == "") & (compared["degree"] == Degree.COLLAPSED)
    return compared[(now > before).fillna(value=False) | new]
