"""Table 2: mean information abundance by the share of the data and the size, the paper's beside ours."""

import pandas as pd

from collapse.figures.study_table import StudyTable, signed
from collapse.study.abundance import abundance_by_share
from collapse.study.item import Item


def abundance_table(item: Item) -> StudyTable:
    """Make Table 2.

    Parameters
    ----------
    item : Item
        Its runs.

    Returns
    -------
    StudyTable
        A row a share and size.
    """
    numbers = abundance_by_share(item)
    difference, columns = numbers["ia"] - numbers["printed"], numbers["embedding_size"] * numbers["sets"]
    text = pd.DataFrame(
        {
            "share": [f"{share:.0%}" for share in numbers["train_share"]],
            "size": numbers["factor"].map("{:g}x".format),
            "": numbers["variant"],
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
        "Information abundance, mean over the fields, of all rows of the tables as in the paper and of those that "
        f"training looked up; DCNv2, {item.told}. IA is at most K: a difference is given where K is the paper's."
    )
    return StudyTable(name=item.name, numbers=numbers, text=text, caption=caption)


def _rounded(values: "pd.Series[float]") -> list[str]:
    return values.map("{:.2f}".format).where(values.notna(), "").to_list()
