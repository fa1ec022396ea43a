"""Monitors: what a run records during training, one file each next to the metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from collapse.io.checkpoint.schema import Checkpoint
from collapse.training.runs.folder import digest_of, read_rows, write_rows
from collapse.training.runs.tensorboard import TensorBoard

Row = Mapping[str, str | float | int]


class Monitor(Protocol):
    """Measures the model without changing it, and returns rows to record."""

    @property
    def name(self) -> str:
        """Stem of the monitor's file in the run's folder."""

    def __call__(self, checkpoint: Checkpoint) -> Sequence[Row]:
        """Return any number of rows, all with the same keys."""

    # A monitor may also have a method ``attach(model, ids)``, which is called once before it measures.

    def columns(self, rows: Sequence[Row]) -> Mapping[str, float]:
        """Return values of these rows for columns of the run's metrics, after an epoch; may be empty."""


class MonitorFile:
    """File of one monitor: ``NAME.csv``, with the run's ``epoch`` and ``step`` before the monitor's columns.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    monitor : Monitor
        The monitor.
    """

    def __init__(self, folder: Path, monitor: Monitor) -> None:
        self._monitor = monitor
        self._path = folder / f"{monitor.name}.csv"
        self._rows = read_rows(self._path)

    def go_back(self, step: int) -> None:
        """Drop rows after a step, to which a resumed run returns."""
        self._rows = [row for row in self._rows if int(row["step"]) <= step]

    @property
    def digest(self) -> tuple[str, str] | None:
        """Name of the file and digest of its rows; None if there are none."""
        return (self._path.name, digest_of(self._rows)) if self._rows else None

    def measure(self, checkpoint: Checkpoint, *, epoch: int, step: int) -> Mapping[str, float]:
        """Let the monitor measure, append its rows, and return its columns."""
        # The last step of an epoch may already have been measured before the epoch ended.
        self.go_back(step - 1)
        at = {"epoch": str(epoch), "step": str(step)}
        found = self._monitor(checkpoint)
        self._rows += [at | {key: str(value) for key, value in row.items()} for row in found]
        if self._rows:
            write_rows(self._path, self._rows)
        return self._monitor.columns(found)


class Monitoring:
    """Files of a run's monitors, and what is shown in TensorBoard.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    monitors : sequence of Monitor
        The monitors.
    step : int
        Number of steps so far; later rows are dropped.
    tensorboard : bool
        Write for TensorBoard, too.
    """

    def __init__(self, folder: Path, monitors: Sequence[Monitor], *, step: int, tensorboard: bool) -> None:
        self._files = [MonitorFile(folder, monitor) for monitor in monitors]
        for file in self._files:
            file.go_back(step)
        self._board = TensorBoard(folder, step) if tensorboard else None

    def measure(self, checkpoint: Checkpoint, *, epoch: int, step: int) -> dict[str, float]:
        """Let every monitor measure, and return the columns of all."""
        found = [file.measure(checkpoint, epoch=epoch, step=step) for file in self._files]
        return {key: value for columns in found for key, value in columns.items()}

    @property
    def digests(self) -> dict[str, str]:
        """Digests of the rows of every non-empty file, by name."""
        return dict(found for file in self._files if (found := file.digest) is not None)

    def show(self, values: Mapping[str, float], step: int) -> None:
        """Show values in TensorBoard, if it is written."""
        if self._board is not None:
            self._board.write(values, step)

    def close(self) -> None:
        """Write what is buffered."""
        if self._board is not None:
            self._board.close()
