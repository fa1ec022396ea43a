"""Table of remedies: abundance, AUC and time compared with a single embedding of as many columns."""

import numpy as np
import pandas as pd

from collapse.figures.study_table import StudyTable
from collapse.paper.cures import REFERENCE, compare_cures
from collapse.paper.item import Item


def cures_table(item: Item) -> StudyTable:
    """Compare the remedies of a study.

    Returns
    -------
    StudyTable
        One row per data set and remedy.
    """
    numbers = compare_cures(item)
    is_reference = numbers["cure"] == REFERENCE
    text = pd.DataFrame(
        {
            "data": numbers["data"],
            "cure": numbers["cure"],
            "IA/random": numbers["ia_normalised"].map("{:.0%}".format),
            "change of IA/random": _changes(numbers, "ia_change", "{:+.2f}", is_reference),
            "test AUC": numbers["test_auc"].map("{:.4f}".format),
            "change of test AUC": _changes(numbers, "auc_change", "{:+.4f}", is_reference),
            "time": numbers["time"].map("{:.2f}x".format).where(numbers["time"].notna(), ""),
            "runs": numbers["runs"].astype(str),
            # Last, because these names are long.
            "model": numbers["model"],
        }
    )
    caption = _reading(numbers, is_reference) + (
        "Remedies are compared with a single embedding of as many columns: mean IA / random, test AUC, and the "
        "time per row. Changes are paired by initialisation, with 95 % intervals over the initialisations "
        "(Student's t). The penalties on tables are from the literature, with two weights that were not tuned. "
        f"{item.summary}."
    )
    return StudyTable(name=item.name, numbers=numbers, text=text, caption=caption)


def _reading(numbers: pd.DataFrame, is_reference: "pd.Series[bool]") -> str:
    """Count the remedies that raise abundance, and those that raise AUC."""
    cures = numbers[~is_reference]
    clauses = []
    for name, measure in (("ia_change", "IA"), ("auc_change", "test AUC")):
        known = cures.dropna(subset=[f"{name}_low"])
        rise, fall = int((known[f"{name}_low"] > 0).sum()), int((known[f"{name}_high"] < 0).sum())
        clauses.append(f"{measure} rises in {rise} and falls in {fall} of {len(known)}" if len(known) else "")
    found = "; ".join(filter(None, clauses))
    return (
        f"Not in the paper. Here, counting pairs of remedy and data set whose interval excludes 0: {found}. "
        if found
        else ""
    )


def _changes(numbers: pd.DataFrame, name: str, form: str, is_reference: "pd.Series[bool]") -> list[str]:
    values = numbers[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)
    return [
        ""
        if reference or np.isnan(change)
        else form.format(change) + ("" if np.isnan(low) else f" ({form.format(low)} to {form.format(high)})")
        for (change, low, high), reference in zip(values, is_reference, strict=True)
    ]
