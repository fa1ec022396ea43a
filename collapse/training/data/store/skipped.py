"""Malformed rows: refused with their position, or skipped up to a limit and recorded in the manifest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from collapse.errors import CollapseError

MOST_LISTED = 20
"""Most skipped rows that the manifest lists individually."""

Faults = dict[int, str]
"""Faults of rows, by their number in a block."""


class SkippedRows:
    """Record of skipped rows.

    Parameters
    ----------
    allowed : int
        Most malformed rows to skip.
    """

    def __init__(self, allowed: int) -> None:
        self.unlabelled = 0
        """Number of rows that were left out on request because they have no label."""
        self._allowed = allowed
        self._count = 0
        self._first: list[dict[str, object]] = []

    def skip(self, path: Path, faults: Mapping[int, str], *, unit: Literal["line", "row"] = "line") -> None:
        """Record the malformed rows of a block.

        Parameters
        ----------
        path : Path
            The file of the rows.
        faults : mapping of int to str
            Faults by line or row.
        unit : {"line", "row"}
            What the numbers count, from 1.

        Raises
        ------
        CollapseError
            If there are more malformed rows than allowed. The message has the position of the first one too many.
        """
        for number in sorted(faults):
            self._count += 1
            if self._count > self._allowed:
                before = f" ({self._allowed:,} malformed rows before it were skipped)" if self._allowed else ""
                raise CollapseError(f"{path}, {unit} {number}: {faults[number]}{before}")
            if len(self._first) < MOST_LISTED:
                self._first.append({"file": path.name, unit: number, "reason": faults[number]})

    def summary(self) -> dict[str, object]:
        """Return how many rows were skipped, and the first malformed ones with their positions and faults."""
        return {"rows": self._count, "unlabelled": self.unlabelled, "first": self._first}
