"""Monitors: what else a run keeps along its training, a file each beside the metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from collapse.checkpoint import Checkpoint
from collapse.training.runs.folder import read_rows, write_rows

Row = Mapping[str, str | float | int]


class Monitor(Protocol):
    """Looks at the model as it is, changes nothing, and returns rows to keep."""

    @property
    def name(self) -> str:
        """The stem of its file in the run's folder."""

    def __call__(self, checkpoint: Checkpoint) -> Sequence[Row]:
        """Return any number of rows, all with the same keys."""


class MonitorFile:
    """The rows of one monitor: ``NAME.csv``, with the run's ``epoch`` and ``step`` before its own columns.

    Parameters
    ----------
    folder : Path
        The run's folder.
    monitor : Monitor
        Whose rows they are.
    """

    def __init__(self, folder: Path, monitor: Monitor) -> None:
        self._monitor = monitor
        self._path = folder / f"{monitor.name}.csv"
        self._rows = read_rows(self._path)

    def go_back(self, step: int) -> None:
        """Forget what was kept after a step, which a resumed run comes to again."""
        self._rows = [row for row in self._rows if int(row["step"]) <= step]

    @property
    def empty(self) -> bool:
        """Whether nothing is kept yet."""
        return not self._rows

    def look(self, checkpoint: Checkpoint, *, epoch: int, step: int) -> None:
        """Let the monitor look, and write its rows behind those that are kept."""
        # The last step of an epoch may have been looked at before the epoch ended.
        self.go_back(step - 1)
        at = {"epoch": str(epoch), "step": str(step)}
        self._rows += [at | {key: str(value) for key, value in row.items()} for row in self._monitor(checkpoint)]
        if self._rows:
            write_rows(self._path, list(self._rows[-1]), self._rows)
