"""Tables 1, 3, 5, 6 and 7: test AUC by size, the paper's next to ours."""

import pandas as pd

from collapse.figures.readings import reading
from collapse.figures.study_table import StudyTable, signed
from collapse.paper.auc import auc_by_size
from collapse.paper.item import Item

HEADINGS = {
    "data": "data",
    "model": "model",
    "variant": "SE/ME",
    "factor": "size",
    "printed": "paper",
    "auc": "ours",
    "difference": "difference",
    "printed_gain": "paper, over 1x",
    "gain": "ours, over 1x",
    "runs": "runs",
}
"""Columns of `auc_by_size` that are printed, with their headings."""

_PLAIN = "dcnv2"
"""Table 3's model without additional layers."""


def auc_table(item: Item) -> StudyTable:
    """Make one of Tables 1, 3, 5, 6 and 7.

    Returns
    -------
    StudyTable
        The columns of `HEADINGS`: five digits, deviations after ±, empty cells for missing values, and the paper's
        columns if it has values for a data set of the study.
    """
    table = auc_by_size(item)
    texts = pd.DataFrame(
        {
            "data": table["data"].fillna(table["printed_data"]),
            "model": table["model"],
            "variant": table["variant"],
            "factor": [f"{factor:g}x" for factor in table["factor"]],
            "printed": _with_deviation(table["printed"], table["printed_std"]),
            "auc": _with_deviation(table["auc"], table["std"]),
            "difference": signed(table["difference"], 5),
            "printed_gain": signed(table["printed_gain"], 5),
            "gain": signed(table["gain"], 5),
            "runs": [f"{int(runs)}" if pd.notna(runs) else "0" for runs in table["runs"]],
        }
    )
    caption = f"{(_of_modules if item.name == 'table-3' else _of_sets)(table)} Test AUC; {item.summary}."
    if table["printed"].isna().all():
        texts = texts.drop(columns=["printed", "difference", "printed_gain"])
        caption += " The paper's values are for its own data sets, which are not among these."
    return StudyTable(name=item.name, numbers=table, text=texts.rename(columns=HEADINGS), caption=caption)


def _of_sets(table: pd.DataFrame) -> str:
    """Describe how much AUC gains from size, with one set and with several."""
    gains = table.dropna(subset=["gain"]).query("factor > 1").sort_values("factor", kind="stable")
    largest = gains.groupby(["data", "model", "variant"], sort=False)["gain"].last().unstack("variant")
    both = largest.reindex(columns=["SE", "ME"]).dropna()
    above = int((both["ME"] > both["SE"]).sum())
    here = (
        f"ME gains more than SE in {above} of {len(both)} pairs of model and data set; the mean gains over 1x "
        f"are {both['ME'].mean():+.5f} and {both['SE'].mean():+.5f}"
        if len(both)
        else ""
    )
    return reading("ME gains more AUC with its size than SE", here)


def _of_modules(table: pd.DataFrame) -> str:
    """Describe how much AUC gains from more layers."""
    of_size = table.pivot_table(index=["data", "factor"], columns="model", values="auc", sort=False)
    if _PLAIN not in of_size:
        return reading("more cross layers or a deeper MLP do not raise AUC", "")
    changes = of_size.sub(of_size[_PLAIN], axis=0).drop(columns=_PLAIN).mean().dropna()
    here = ", ".join(f"{change:+.5f} with {str(name).split(',', 1)[1]}" for name, change in changes.items())
    return reading(
        "more cross layers or a deeper MLP do not raise AUC",
        f"AUC changes by {here}, mean over the sizes" if here else "",
    )


def _with_deviation(values: "pd.Series[float]", deviations: "pd.Series[float]") -> list[str]:
    known, several = values.notna(), deviations.notna()
    texts = values.map("{:.5f}".format) + deviations.map(" ± {:.5f}".format).where(several, "")
    return texts.where(known, "").to_list()
