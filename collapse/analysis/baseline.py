"""An earlier diagnosis to hold a new one against: what got worse since."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from collapse.analysis.diagnosis import MEASURES
from collapse.analysis.field_names import matched_names
from collapse.analysis.verdicts import Degree
from collapse.errors import CollapseError, first_line
from collapse.files.json_file import read_json

_ORDER = (Degree.SPREAD, Degree.DOMINATED, Degree.PARTLY, Degree.COLLAPSED)


class _Report(msgspec.Struct):
    """What `collapse analyze --json` prints, as far as it is needed."""

    fields: list[dict[str, str | bool | float | None]]
    choices: dict[str, str | bool | float | None] = {}


def read_baseline(path: Path) -> pd.DataFrame:
    """Read what ``collapse analyze --json`` printed.

    Parameters
    ----------
    path : Path
        The file, of one checkpoint.

    Returns
    -------
    pandas.DataFrame
        A row a field: ``field``, ``degree`` and the measures that it has. ``attrs`` holds the settings.

    Raises
    ------
    CollapseError
        If the file cannot be read, is none of this kind, or is of several checkpoints.
    """
    degrees = tuple(map(str, Degree))
    try:
        report = msgspec.convert(read_json(path), _Report)
        frame = pd.DataFrame(report.fields)
        if missing := [name for name in ("field", "degree", "ia_normalised") if name not in frame]:
            raise ValueError(f"its fields have no {missing[0]}")
        if wrong := [each for each in frame["field"] if not isinstance(each, str)]:
            raise ValueError(f"a field is called {wrong[0]!r}")
        if wrong := [each for each in frame["degree"] if each not in degrees]:
            raise ValueError(f"a degree is {wrong[0]!r}, and it must be one of {', '.join(degrees)}")
        numbers = [name for name in MEASURES if name in frame]
        frame[numbers] = frame[numbers].astype(float)
    except (msgspec.ValidationError, TypeError, ValueError, ArithmeticError) as error:
        raise CollapseError(f"{path} is no report of `collapse analyze --json`: {first_line(error)}") from error
    if frame["field"].duplicated().any():
        raise CollapseError(f"{path} is a report on several checkpoints: a baseline is one")
    frame.attrs["choices"] = report.choices
    return frame


def check_settings(baseline: pd.DataFrame, fields: pd.DataFrame, path: Path) -> None:
    """Refuse a baseline whose numbers are of other rows or of another layer.

    Parameters
    ----------
    baseline, fields : pandas.DataFrame
        What `read_baseline` and `diagnose` returned.
    path : Path
        The baseline, for the error.

    Raises
    ------
    CollapseError
        If a choice differs; the sentence names it.
    """
    then, now = baseline.attrs["choices"], fields.attrs["choices"]
    for name in ("rows", "row_counts", "centred", "layer", "near_zero"):
        if name in then and then[name] != now[name]:
            raise CollapseError(
                f"{path} was measured with {name} {then[name]}, and this with {now[name]}: measure both alike"
            )


def with_baseline(fields: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Put the baseline's measures next to those of now.

    Parameters
    ----------
    fields : pandas.DataFrame
        What `diagnose` returned.
    baseline : pandas.DataFrame
        What `read_baseline` returned. Fields are matched without the prefixes of wrappers (`plain_name`).

    Returns
    -------
    pandas.DataFrame
        `fields`, with ``MEASURE_before`` and ``MEASURE_change``, now less before, of every measure,
        ``degree_before`` and ``field_before``; NaN, and an empty text, of a field that the baseline does not have.
    """
    now_names, then_names = matched_names(fields["field"], baseline["field"])
    before = baseline.set_index(pd.Index(then_names)).reindex(now_names)
    columns: dict[str, Any] = {
        f"{name}_before": before[name].fillna("").to_numpy() for name in ("degree", "field")
    }
    for measure in MEASURES:
        then = before[measure].to_numpy(float) if measure in before else np.full(len(fields), np.nan)
        now = fields[measure].to_numpy(dtype=float, na_value=np.nan)
        # What JSON rounds off is no change.
        change = np.where(np.isclose(now, then, rtol=1e-12, atol=1e-14), 0.0, now - then)
        columns |= {f"{measure}_before": then, f"{measure}_change": change}
    return pd.concat([fields, pd.DataFrame(columns, index=fields.index)], axis=1)


def as_before(compared: pd.DataFrame) -> pd.DataFrame:
    """Return what `with_baseline` would have been then: the measures of before, and no change.

    Parameters
    ----------
    compared : pandas.DataFrame
        What `with_baseline` returned.

    Returns
    -------
    pandas.DataFrame
        The fields that the baseline has, under the same columns.
    """
    known = compared[compared["degree_before"] != ""]
    columns = {measure: known[f"{measure}_before"] for measure in MEASURES}
    columns |= {f"{measure}_change": 0.0 * known[f"{measure}_before"] for measure in MEASURES}
    return known.assign(degree=known["degree_before"], **columns)


def worse(compared: pd.DataFrame) -> pd.DataFrame:
    """Return the fields that are further collapsed than before (spread out, partly collapsed, collapsed), or new.

    Parameters
    ----------
    compared : pandas.DataFrame
        What `with_baseline` returned.

    Returns
    -------
    pandas.DataFrame
        Those rows; a new field if it is collapsed. A field that was not judged, or is not now, is not among them.
    """
    place = {str(degree): number for number, degree in enumerate(_ORDER)}
    now, before = (compared[name].map(place) for name in ("degree", "degree_before"))
    new = (compared["degree_before"] == "") & (compared["degree"] == Degree.COLLAPSED)
    return compared[(now > before).fillna(value=False) | new]
