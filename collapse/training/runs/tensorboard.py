"""A run's metrics for TensorBoard, beside the CSV."""

from collections.abc import Mapping
from pathlib import Path

from collapse.extras import require

FOLDER = "tensorboard"


def check_tensorboard() -> None:
    """Refuse to begin without TensorBoard.

    Raises
    ------
    CollapseError
        If it is not installed.
    """
    require("tensorboard", "--tensorboard")


class TensorBoard:
    """Writes scalars to the folder `FOLDER` in the run's; made anew on a resume, it hides what comes again.

    Parameters
    ----------
    folder : Path
        The run's folder.
    step : int
        Steps that the run has behind it.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / FOLDER), purge_step=step + 1 if step else None)

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Write scalars of a step, to be read at once."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
