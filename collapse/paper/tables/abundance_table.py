"""Table 2: mean information abundance by fraction of the data and size, the paper's next to ours."""

import pandas as pd

from collapse.figures.readings import reading
from collapse.figures.study_table import StudyTable, signed
from collapse.paper.abundance_by_fraction import abundance_by_fraction
from collapse.paper.item import Item


def abundance_table(item: Item) -> StudyTable:
    """Make Table 2.

    Returns
    -------
    StudyTable
        One row per fraction and size.
    """
    numbers = abundance_by_fraction(item)
    if item.profile.is_inferred:
        numbers = numbers[numbers["ia"].notna() | numbers["printed"].notna()].reset_index(drop=True)
    difference, columns = numbers["ia"] - numbers["printed"], numbers["embedding_size"] * numbers["sets"]
    text = pd.DataFrame(
        {
            "share": [f"{fraction:.0%}" for fraction in numbers["train_share"]],
            "size": numbers["factor"].map("{:g}x".format),
            "SE/ME": numbers["variant"],
            "paper's K": numbers["printed_size"].map("{:.0f}".format),
            "paper": _rounded(numbers["printed"]),
            "K": numbers["embedding_size"].astype(str),
            "ours": _rounded(numbers["ia"]),
            "ours, trained rows": _rounded(numbers["ia_trained"]),
            "difference": signed(difference.where(columns == numbers["printed_size"]), 2),
        }
    )
    if numbers["printed"].isna().all():
        text = text.drop(columns=["paper's K", "paper", "difference"])
    caption = (
        f"{_reading(numbers)} Information abundance, mean over the fields, of all rows of the tables as "
        f"in the paper, and of the rows that training looked up; DCNv2, {item.summary}. IA is at most K, "
        "so differences are given only if K equals the paper's."
    )
    return StudyTable(name=item.name, numbers=numbers, text=text, caption=caption)


def _reading(numbers: pd.DataFrame) -> str:
    """Describe how abundance changes with the rows at the largest SE, and how ME compares."""
    single = numbers[numbers["variant"] == "SE"].dropna(subset=["ia"])
    at_largest = single[single["factor"] == single["factor"].max()].sort_values("train_share")
    ends = (
        [
            f"{ia:.2f} on {fraction:.0%} of the rows"
            for ia, fraction in zip(
                at_largest["ia"].iloc[[0, -1]], at_largest["train_share"].iloc[[0, -1]], strict=True
            )
        ]
        if len(at_largest) > 1
        else []
    )
    several = numbers[numbers["variant"] == "ME"].set_index("train_share")["ia"].dropna()
    pairs = at_largest.set_index("train_share")["ia"].reindex(several.index).dropna()
    above = int((several[pairs.index] > pairs).sum())
    clauses = [
        f"at {at_largest['factor'].iloc[0]:g}x it is {' and '.join(ends)}" if ends else "",
        f"ME lies above SE of that size at {above} of {len(pairs)} fractions of the rows" if len(pairs) else "",
    ]
    return reading(
        "the mean IA of large tables does not rise with the data, and ME lies above SE throughout",
        "; ".join(filter(None, clauses)),
    )


def _rounded(values: "pd.Series[float]") -> list[str]:
    return values.map("{:.2f}".format).where(values.notna(), "").to_list()
