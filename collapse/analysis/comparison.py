"""Two diagnoses next to each other, field by field."""

from collections.abc import Sequence

import pandas as pd

from collapse.analysis.field_names import matched_names
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
        ``MEASURE_against`` and ``MEASURE_difference``, the first less the second. Fields are matched without the
        prefixes of wrappers (`plain_name`). ``attrs`` holds the fields that one checkpoint alone has: ``only`` the
        first, ``only_against`` the second.

    Raises
    ------
    CollapseError
        If the checkpoints have no field in common.
    """
    our_names, their_names = matched_names(fields["field"], against["field"])
    ours, theirs = (
        frame.set_index(pd.Index(names)) for frame, names in ((fields, our_names), (against, their_names))
    )
    common = [name for name in our_names if name in theirs.index]
    if not common:
        raise CollapseError(
            f"the checkpoints have no field in common: one has {', '.join(map(str, fields['field'][:3]))}, .., "
            f"the other {', '.join(map(str, against['field'][:3]))}, .."
        )
    columns = {"field": ours.loc[common, "field"]}
    for measure in measures:
        columns[measure] = ours.loc[common, measure]
        columns[f"{measure}_against"] = theirs.loc[common, measure]
        columns[f"{measure}_difference"] = ours.loc[common, measure] - theirs.loc[common, measure]
    found = pd.DataFrame(columns).reset_index(drop=True)
    found.attrs["only"] = ours.loc[~ours.index.isin(common), "field"].tolist()
    found.attrs["only_against"] = theirs.loc[~theirs.index.isin(common), "field"].tolist()
    return found
