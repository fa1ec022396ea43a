"""The option that divides the rows of tables into segments."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from collapse.errors import CollapseError

if TYPE_CHECKING:
    import pandas as pd

    from collapse.analysis.factorised import FactoredTables

by_option = click.option(
    "--by",
    metavar="lookups|FILE:COLUMN",
    help="Also diagnose segments of every table: head, middle and tail of the lookups (half of them, up to 90 "
    "%, the "
    "rest), or the groups of a column of a CSV or Parquet file with one row per table row, such as "
    "items.csv:genre "
    "or rows.csv:last_update. Numbers are divided into three ranges. With a column field, the file has the rows "
    "of "
    "several tables.",
)


def segments_of(factored: "FactoredTables", by: str, *, several: bool = False) -> "pd.DataFrame":
    """Diagnose the segments that ``--by`` asks for.

    Raises
    ------
    CollapseError
        If there are several checkpoints, the file cannot be read, or it does not fit the tables.
    """
    from collapse.analysis.segments import by_column, by_lookups, diagnose_segments
    from collapse.analysis.side import read_side

    if several:
        raise CollapseError("--by divides the tables of one checkpoint: pass only one")
    if by == "lookups":
        return diagnose_segments(factored, by_lookups)
    name, colon, column = by.rpartition(":")
    if not colon or not name or not column:
        raise CollapseError(f"--by must be lookups or FILE:COLUMN, got {by!r}")
    side = read_side(Path(name), several=True)
    if "field" not in side and len(factored.tables) > 1:
        raise CollapseError(
            f"{name} has no column field, but there are {len(factored.tables)} tables: add it, or choose a table "
            "with --table"
        )
    return diagnose_segments(factored, by_column(side, column))
