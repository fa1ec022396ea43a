"""All that a study shows, by the paper's item: figures and tables."""

from pathlib import Path

from collapse.figures.abundance_table import abundance_table
from collapse.figures.auc_tables import auc_table
from collapse.figures.cures_table import cures_table
from collapse.figures.data_table import data_table
from collapse.figures.display import Display
from collapse.figures.findings_table import findings_table
from collapse.figures.registry import DISPLAYS, STUDY_DISPLAYS
from collapse.figures.study_table import StudyTable
from collapse.study.item import Item

TABLES = {
    "table-1": auc_table,
    "table-2": abundance_table,
    "table-3": auc_table,
    "table-4": data_table,
    "table-5": auc_table,
    "table-6": auc_table,
    "table-7": auc_table,
    "cures": cures_table,
    "findings": findings_table,
}
"""The tables, each with what makes it."""


def made_of(item: Item, *, text_model: Path | None = None) -> Display | StudyTable:
    """Make the figure or table of an item.

    Parameters
    ----------
    item : Item
        The item in a study.
    text_model : Path, optional
        As `Display.from_study` takes it.

    Returns
    -------
    Display or StudyTable
        Of the runs that are finished; its `save` writes it.

    Raises
    ------
    CollapseError
        If none is, where it is made of runs.
    """
    if item.name in TABLES:
        return TABLES[item.name](item.with_finished_runs())
    kinds: dict[str, type[Display]] = {**DISPLAYS, **STUDY_DISPLAYS}
    return kinds[item.name].from_study(item, text_model=text_model)
