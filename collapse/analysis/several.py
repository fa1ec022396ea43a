"""Several checkpoints together: distinct labels, differences by field, abundance by size."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from collapse.analysis.factorised import FactoredTables
from collapse.analysis.field_names import matched_names, no_common_field
from collapse.io.tables import TableSet
from collapse.measures.abundance import abundance_of_spectrum

NAMES = {
    "dnn": "DNN",
    "ipnn": "IPNN",
    "nfwfm": "NFwFM",
    "xdeepfm": "xDeepFM",
    "dcnv2": "DCNv2",
    "finalmlp": "FinalMLP",
    "autoint": "AutoInt",
    "ffm": "FFM",
    "fm": "FM",
}
"""Names of the models, as usually written."""
_FIELD_SIZES = re.compile(r"field_sizes=(\d+(?:\+\d+)+)")
_NAME = re.compile(r"(?P<model>\w+)-(?P<K>\d+)(?:x(?P<M>\d+))?(?P<settings>(?:,.*)?)")


def readable(name: str) -> str:
    """Format a model's name with its size.

    Parameters
    ----------
    name : str
        Such as ``dcnv2-10x4,cross_layers=8``.

    Returns
    -------
    str
        ``DCNv2 ME 4 x 10, cross_layers=8``: single-embedding (SE) with K, or multi-embedding (ME) with M x K.
        Other names are unchanged, but quoted if they are blank or begin with an underscore, which would hide them
        in a legend.
    """
    if not name.strip() or name.startswith("_"):
        return repr(name)
    name = _FIELD_SIZES.sub(_range, name)
    found = _NAME.fullmatch(name)
    if found is None or found["model"] not in NAMES:
        return name
    size = f"SE {found['K']}" if found["M"] is None else f"ME {found['M']} x {found['K']}"
    return f"{NAMES[found['model']]} {size}{found['settings'].replace(',', ', ')}"


def _range(found: re.Match[str]) -> str:
    """Name the smallest and the largest of many sizes, which would fill a legend."""
    sizes = [int(size) for size in found[1].split("+")]
    return f"field_sizes={min(sizes)} to {max(sizes)}"


def labels(checkpoints: Sequence[TableSet]) -> list[str]:
    """Return distinct labels for checkpoints.

    Returns
    -------
    list of str
        One label per checkpoint: the model's name, the settings in which checkpoints of that name differ (seeds,
        data, optimiser, epoch), and the file if they differ in nothing else.
    """
    found = []
    for checkpoint in checkpoints:
        of_name = [each.settings for each in checkpoints if each.name == checkpoint.name]
        keys = dict.fromkeys(key for settings in of_name for key in settings)
        differing = [key for key in keys if len({settings.get(key) for settings in of_name}) > 1]
        words = [f"{_short(key)} {checkpoint.settings.get(key, 'unknown')}" for key in differing]
        found.append(", ".join([readable(checkpoint.name), *words]))
    ambiguous = {label for label, count in Counter(found).items() if count > 1}
    found = [
        f"{label}, {checkpoint.source}" if label in ambiguous and checkpoint.source != label else label
        for label, checkpoint in zip(found, checkpoints, strict=True)
    ]
    seen: Counter[str] = Counter()
    for number, label in enumerate(found):
        seen[label] += 1
        if seen[label] > 1:
            found[number] = f"{label} ({seen[label]})"
    return found


def _short(key: str) -> str:
    section, _, name = key.rpartition(".")
    return f"{name} seed" if section == "seeds" else name


def compare(fields: pd.DataFrame, against: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """Compare the measures of two checkpoints.

    Parameters
    ----------
    fields, against : pandas.DataFrame
        Results of `diagnose` for the two.
    measures : sequence of str
        Columns to compare.

    Returns
    -------
    pandas.DataFrame
        One row per common field, in the order of the first checkpoint: ``field``, and for every measure its value,
        ``MEASURE_against`` and ``MEASURE_difference``, the first minus the second. Fields are matched without the
        prefixes of wrappers (`plain_name`). ``attrs`` holds the fields of the first checkpoint alone (``only``)
        and of the second alone (``only_against``).

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
        raise no_common_field(fields["field"], against["field"])
    columns = {"field": ours.loc[common, "field"]}
    for measure in measures:
        columns[measure] = ours.loc[common, measure]
        columns[f"{measure}_against"] = theirs.loc[common, measure]
        columns[f"{measure}_difference"] = ours.loc[common, measure] - theirs.loc[common, measure]
    found = pd.DataFrame(columns).reset_index(drop=True)
    found.attrs["only"] = ours.loc[~ours.index.isin(common), "field"].tolist()
    found.attrs["only_against"] = theirs.loc[~theirs.index.isin(common), "field"].tolist()
    return found


def abundance_by_size(checkpoints: Sequence[FactoredTables]) -> pd.DataFrame:
    """Average IA over the fields of every checkpoint, with one column per size as in Table 2.

    Parameters
    ----------
    checkpoints : sequence of FactoredTables
        The checkpoints, of one or several data sets and models.

    Returns
    -------
    pandas.DataFrame
        One row per model and data set: ``model``, ``data``, and one column per size in ascending order, the number
        of columns of a table, followed by ", ME" for several sets. Checkpoints that agree in all of this are
        averaged.
    """
    found = pd.DataFrame([_mean(checkpoint) for checkpoint in checkpoints])
    order = found.sort_values(["columns", "size"], kind="stable")["size"].unique()
    table = found.pivot_table(index=["model", "data"], columns="size", values="ia", sort=False)
    return table[list(order)].reset_index().rename_axis(columns=None)


def _mean(checkpoint: FactoredTables) -> dict[str, object]:
    tables = checkpoint.tables
    columns = max(table.columns for table in checkpoint)
    return {
        "model": tables.name.partition("-")[0],
        "data": tables.description.get("data", "unknown"),
        "columns": columns,
        "size": f"{columns}, ME" if tables.sets > 1 else str(columns),
        "ia": float(np.mean([abundance_of_spectrum(table.spectrum.values) for table in checkpoint])),
    }
