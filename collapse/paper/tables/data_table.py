"""Table 4: rows, fields and cardinalities of the data sets, the paper's next to ours."""

import pandas as pd

from collapse.figures.study_table import StudyTable
from collapse.paper.item import Item
from collapse.paper.printed_values import read_printed
from collapse.training.data.load import load_data

_COLUMNS = {
    "rows": "rows",
    "fields": "fields",
    "sum_cardinality": "sum of cardinalities",
    "max_cardinality": "largest",
    "min_cardinality": "smallest",
}


def data_table(item: Item) -> StudyTable:
    """Make Table 4 for a study's data sets.

    Parameters
    ----------
    item : Item
        The item, which has no runs.

    Returns
    -------
    StudyTable
        The paper's two rows, with the digits that it prints, and one row per data set.
    """
    from collapse.training.data.store.description import overview

    printed = read_printed("data")
    ours = pd.DataFrame([overview(load_data(data)) for data in item.profile.data])
    numbers = pd.concat([printed, ours[["name", *_COLUMNS, "positive"]].assign(source="ours")], ignore_index=True)
    text = pd.DataFrame({"source": numbers["source"], "data": numbers["name"]})
    for column, heading in _COLUMNS.items():
        text[heading] = [f"{number:,}" for number in numbers[column]]
    text["positive"] = numbers["positive"].map("{:.1%}".format).where(numbers["positive"].notna(), "")
    caption = (
        "Data sets. A cardinality is the number of rows of a field's table, including the out-of-vocabulary row."
    )
    return StudyTable(name=item.name, numbers=numbers, text=text, caption=caption)
