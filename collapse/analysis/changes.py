"""What changed along several checkpoints of a model, field by field."""

from collections.abc import Sequence

import pandas as pd

from collapse.analysis.drift import drift_table
from collapse.analysis.factorised import FactoredTables
from collapse.analysis.field_names import matched_names, no_common_field
from collapse.analysis.verdicts import Degree
from collapse.printable import clipped, counted

_BETTER = (Degree.COLLAPSED, Degree.PARTLY, Degree.DOMINATED, Degree.SPREAD)
"""The degrees of fields that are judged, the worst first."""
_NAMED = 3
"""Most fields that a sentence names."""


def changes(checkpoints: Sequence[FactoredTables], frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Compare the fields of the last checkpoint with those of earlier ones.

    Parameters
    ----------
    checkpoints : sequence of FactoredTables
        Two or more, the earliest first.
    frames : sequence of pandas.DataFrame
        Their diagnoses.

    Returns
    -------
    pandas.DataFrame
        One row per field of the last checkpoint that the first one has too, the largest decrease first: ``field``,
        ``adjusted_0``, ``adjusted_1``, .. (its adjusted abundance in each checkpoint, missing if the field is),
        ``adjusted_change`` (the last minus the first), ``degree_before`` and ``degree`` (in the first and the
        last), and how far the table moved from the first to the last: ``drift_residue`` and ``drift_overlap``
        (see `collapse.analysis.drift.drift_table`).

    Raises
    ------
    CollapseError
        If the first and the last checkpoint have no field in common.
    """
    last = frames[-1]
    found = pd.DataFrame({"field": last["field"]})
    matched = [_matched(last, frame) for frame in frames]
    for number, frame in enumerate(matched):
        found[f"adjusted_{number}"] = frame["ia_adjusted"].to_numpy()
    found["adjusted_change"] = found[f"adjusted_{len(frames) - 1}"] - found["adjusted_0"]
    found["degree_before"], found["degree"] = matched[0]["degree"].to_numpy(), last["degree"].to_numpy()
    found = found[found["degree_before"].notna()]
    if found.empty:
        raise no_common_field(frames[0]["field"], last["field"])
    moved = drift_table(checkpoints[-1], checkpoints[0], (last, frames[0]))
    found = found.merge(moved[["field", "drift_residue", "drift_overlap"]], on="field", how="left")
    return found.sort_values("adjusted_change", kind="stable", ignore_index=True)


def _matched(last: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of an earlier checkpoint for the fields of the last one."""
    names, theirs = matched_names(last["field"], frame["field"])
    return frame.set_index(pd.Index(theirs)).reindex(names)


def changes_sentence(found: pd.DataFrame, before: str) -> str:
    """Say which degrees changed, and by how much adjusted abundance did on average.

    Parameters
    ----------
    found : pandas.DataFrame
        Result of `changes`.
    before : str
        Name of the first checkpoint.
    """
    rank = {str(degree): number for number, degree in enumerate(_BETTER)}
    steps = found["degree"].map(rank) - found["degree_before"].map(rank)
    parts = [
        f"{counted(len(names), 'field')} {'has' if len(names) == 1 else 'have'} a {word} degree"
        f" ({', '.join(names[:_NAMED])}{', ..' if len(names) > _NAMED else ''})"
        for word, names in (("worse", _names(found, steps < 0)), ("better", _names(found, steps > 0)))
        if names
    ]
    degrees = " and ".join(parts) or "no field has another degree"
    mean = found["adjusted_change"].mean()
    change = f"adjusted abundance changed by {mean:+.2f} on average over {counted(len(found), 'field')}"
    return f"compared with {before}, {degrees}" + (f"; {change}" if mean == mean else "")


def _names(found: pd.DataFrame, chosen: "pd.Series[bool]") -> list[str]:
    return [clipped(name) for name in found.loc[chosen, "field"]]
