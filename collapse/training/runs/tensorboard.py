"""A run's metrics for TensorBoard, next to the CSV files."""

from collections.abc import Mapping
from pathlib import Path

from collapse.extras import require

FOLDER = "tensorboard"


def check_tensorboard() -> None:
    """Check that TensorBoard is installed.

    Raises
    ------
    CollapseError
        If it is not installed.
    """
    require("tensorboard", "--tensorboard")


class TensorBoard:
    """Writes scalars to `FOLDER` in the run's folder. After a resume, repeated steps replace the old ones.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    step : int
        Number of steps so far.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / FOLDER), purge_step=step + 1 if step else None)

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Write the scalars of a step, and flush them."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is buffered."""
        self._writer.close()
