"""What the user says of a checkpoint that does not say it itself."""

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
    """What the user says of a file that does not say it itself."""

    fields: FieldSizes | None = None
    """The fields of a fused table, or the names of numbered ones."""
    table: str | None = None
    """A regular expression of the names of the tables, in place of what a family or the rule of thumb finds."""
    skip: str | None = None
    """One of names that are no tables."""
    row_counts: RowCounts | str | PathLike[str] | Mapping[str, Any] | None = None
    """How often training looked up each row: a file as ``--row-counts`` takes it, or arrays by field."""

    def __post_init__(self) -> None:
        for option, pattern in (("--table", self.table), ("--skip", self.skip)):
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise CollapseError(f"{option} {pattern!r} is no regular expression: {error}") from error

    @property
    def words(self) -> list[str]:
        """The same as words of a command line."""
        given = {
            "--fields": self.fields and self.fields.source,
            "--table": self.table,
            "--skip": self.skip,
            "--row-counts": getattr(self.row_counts, "source", None),
        }
        return [word for key, value in given.items() if value is not None for word in (key, str(value))]
