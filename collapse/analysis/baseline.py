"""An earlier diagnosis to hold a new one against: what got worse since."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from collapse.analysis.diagnosis import MEASURES
from collapse.analysis.verdicts import Degree
from collapse.errors import CollapseError
from collapse.files import read_json

_ORDER = (Degree.SPREAD, Degree.PARTLY, Degree.COLLAPSED)


class _Report(msgspec.Struct):
    """What `collapse analyze --json` prints, as far as it is needed."""

    fields: list[dict[str, Any]]


def read_baseline(path: Path) -> pd.DataFrame:
    """Read what ``collapse analyze --json`` printed.

    Parameters
    ----------
    path : Path
        The file, of one checkpoint.

    Returns
    -------
    pandas.DataFrame
        A row a field: ``field``, ``degree`` and the measures that it has.

    Raises
    ------
    CollapseError
        If the file cannot be read, is none of this kind, or is of several checkpoints.
    """
    try:
        records = msgspec.convert(read_json(path), _Report).fields
        frame = pd.DataFrame(records)
        numbers = [name for name in MEASURES if name in frame]
        frame[numbers] = frame[numbers].astype(float)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise CollapseError(f"{path} is no report of `collapse analyze --json`: {error}") from error
    if missing := [name for name in ("field", "degree", "ia_normalised") if name not in frame]:
        raise CollapseError(f"{path} is no report of `collapse analyze --json`: its fields have no {missing[0]}")
    if frame["field"].duplicated().any():
        raise CollapseError(f"{path} is a report on several checkpoints: a baseline is one")
    return frame


def with_baseline(fields: pd.DataFrame, baseline: pd.DataFrame) -> pd.DataFrame:
    """Put the baseline's measures beside those of now.

    Parameters
    ----------
    fields : pandas.DataFrame
        What `diagnose` returned.
    baseline : pandas.DataFrame
        What `read_baseline` returned.

    Returns
    -------
    pandas.DataFrame
        `fields`, with ``MEASURE_before`` and ``MEASURE_change``, now less before, of every measure, and
        ``degree_before``; NaN, and an empty text, of a field that the baseline does not have.
    """
    before = baseline.set_index("field").reindex(fields["field"])
    columns: dict[str, Any] = {"degree_before": before["degree"].fillna("").to_numpy()}
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
    """Return the fields that are further collapsed than before: spread out, partly collapsed, collapsed.

    Parameters
    ----------
    compared : pandas.DataFrame
        What `with_baseline` returned.

    Returns
    -------
    pandas.DataFrame
        Those rows; a field that was not judged, or is not now, is none.
    """
    place = {str(degree): number for number, degree in enumerate(_ORDER)}
    now, before = (compared[name].map(place) for name in ("degree", "degree_before"))
    return compared[(now > before).fillna(value=False)]
