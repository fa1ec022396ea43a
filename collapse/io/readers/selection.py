"""What the user says about a checkpoint that does not say it itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

from collapse.errors import CollapseError
from collapse.io.readers.field_sizes import FieldSizes
from collapse.io.readers.row_counts import RowCounts


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the user says about a file that does not say it itself."""

    fields: FieldSizes | None = None
    """Fields of a fused table, or names of numbered tables."""
    table: str | None = None
    """Regular expression for the names of the tables, instead of a family or the heuristic."""
    skip: str | None = None
    """Regular expression for names to skip."""
    row_counts: RowCounts | str | PathLike[str] | Mapping[str, Any] | None = None
    """How often training looked up each row: a file as for ``--row-counts``, or arrays by field."""
    id_column: str | None = None
    """Column that identifies the rows of a Parquet, Arrow, CSV or JSON file."""

    def __post_init__(self) -> None:
        for option, pattern in (("--table", self.table), ("--skip", self.skip)):
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise CollapseError(f"{option} {pattern!r} is not a regular expression: {error}") from error

    @property
    def words(self) -> list[str]:
        """The options of the command line that say the same."""
        given = {
            "--fields": self.fields and self.fields.source,
            "--table": self.table,
            "--skip": self.skip,
            "--id-column": self.id_column,
            "--row-counts": getattr(self.row_counts, "source", None),
        }
        return [word for key, value in given.items() if value is not None for word in (key, str(value))]
