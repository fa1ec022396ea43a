"""Two diagnoses beside each other, field by field."""

from collections.abc import Sequence

import pandas as pd

from collapse.errors import CollapseError


def compare(fields: pd.DataFrame, against: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """Put the measures of two checkpoints side by side.

    Parameters
    ----------
    fields, against : pandas.DataFrame
        What `diagnose` returned for either.
    measures : sequence of str
        Columns to compare.

    Returns
    -------
    pandas.DataFrame
        A row a field that both have, in the order of the first: ``field``, and for every measure its value,
        ``MEASURE_against`` and ``MEASURE_difference``, the first less the second.

    Raises
    ------
    CollapseError
        If the checkpoints have no field in common.
    """
    ours, theirs = (frame.set_index("field")[list(measures)] for frame in (fields, against))
    common = [field for field in ours.index if field in theirs.index]
    if not common:
        raise CollapseError(
            f"the checkpoints have no field in common: one has {', '.join(map(str, ours.index[:3]))}, .., "
            f"the other {', '.join(map(str, theirs.index[:3]))}, .."
        )
    columns = {}
    for measure in measures:
        columns[measure] = ours.loc[common, measure]
        columns[f"{measure}_against"] = theirs.loc[common, measure]
        columns[f"{measure}_difference"] = ours.loc[common, measure] - theirs.loc[common, measure]
    return pd.DataFrame(columns).reset_index(names="field")
