"""Malformed rows: refused with their place, or skipped up to a number and told of in the manifest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from collapse.errors import CollapseError

MOST_LISTED = 20
"""Skipped rows that the manifest lists one by one."""

Faults = dict[int, str]
"""What is wrong with a row, by its number in a block."""


class SkippedRows:
    """Takes note of the rows that are left out.

    Parameters
    ----------
    allowed : int
        How many malformed ones may be skipped.
    """

    def __init__(self, allowed: int) -> None:
        self.unlabelled = 0
        """Rows left out because they have no label, which was asked for."""
        self._allowed = allowed
        self._count = 0
        self._first: list[dict[str, object]] = []

    def skip(self, path: Path, faults: Mapping[int, str], *, unit: Literal["line", "row"] = "line") -> None:
        """Take note of a block's malformed rows.

        Parameters
        ----------
        path : Path
            The file that they are in.
        faults : mapping of int to str
            What is wrong, by line or row.
        unit : {"line", "row"}
            What the numbers count, from 1.

        Raises
        ------
        CollapseError
            If they are more than may be skipped; the message names the place of the first that may not.
        """
        for number in sorted(faults):
            self._count += 1
            if self._count > self._allowed:
                before = f" ({self._allowed:,} malformed rows before it were skipped)" if self._allowed else ""
                raise CollapseError(f"{path}, {unit} {number}: {faults[number]}{before}")
            if len(self._first) < MOST_LISTED:
                self._first.append({"file": path.name, unit: number, "reason": faults[number]})

    def summary(self) -> dict[str, object]:
        """Return how many rows were left out, and the first malformed ones with their places and reasons."""
        return {"rows": self._count, "unlabelled": self.unlabelled, "first": self._first}
