"""Monitors: what else a run keeps along its training, a file each beside the metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from collapse.io.checkpoint.schema import Checkpoint
from collapse.training.runs.folder import digest_of, read_rows, write_rows
from collapse.training.runs.tensorboard import TensorBoard

Row = Mapping[str, str | float | int]


class Monitor(Protocol):
    """Looks at the model as it is, changes nothing, and returns rows to keep."""

    @property
    def name(self) -> str:
        """The stem of its file in the run's folder."""

    def __call__(self, checkpoint: Checkpoint) -> Sequence[Row]:
        """Return any number of rows, all with the same keys."""

    def columns(self, rows: Sequence[Row]) -> Mapping[str, float]:
        """Return what of these rows stands, after an epoch, in columns of the run's metrics; may be empty."""


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
    def digest(self) -> tuple[str, str] | None:
        """The file's name and the digest of its rows; None where there are none."""
        return (self._path.name, digest_of(self._rows)) if self._rows else None

    def measure(self, checkpoint: Checkpoint, *, epoch: int, step: int) -> Mapping[str, float]:
        """Let the monitor measure, write its rows behind those that are kept, and return its columns."""
        # The last step of an epoch may have been looked at before the epoch ended.
        self.go_back(step - 1)
        at = {"epoch": str(epoch), "step": str(step)}
        found = self._monitor(checkpoint)
        self._rows += [at | {key: str(value) for key, value in row.items()} for row in found]
        if self._rows:
            write_rows(self._path, self._rows)
        return self._monitor.columns(found)


class Monitoring:
    """What a run's monitors keep: their files, and what is shown in TensorBoard.

    Parameters
    ----------
    folder : Path
        The run's folder.
    monitors : sequence of Monitor
        The monitors.
    step : int
        Steps that the run has behind it; what was kept later is forgotten.
    tensorboard : bool
        Whether TensorBoard is written.
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
        """The digest of the rows of every file that has some, by its name."""
        return dict(found for file in self._files if (found := file.digest) is not None)

    def show(self, values: Mapping[str, float], step: int) -> None:
        """Show values in TensorBoard, if it is written."""
        if self._board is not None:
            self._board.write(values, step)

    def close(self) -> None:
        """Write what is left."""
        if self._board is not None:
            self._board.close()
