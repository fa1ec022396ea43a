"""Where a monitor sends its numbers: a function, TensorBoard, Weights & Biases, MLflow, Prometheus."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collapse.errors import CollapseError
from collapse.extras import require
from collapse.files.atomic import atomic_write

Log = Callable[[dict[str, float], int], object]
"""Called with numbers by name, and the step."""
_NAMES = ("tensorboard", "wandb", "mlflow", "prometheus")
_LABELLED = re.compile(r"(?P<prefix>.+?)/(?P<measure>[^/]+)/(?P<name>.+)")


def logger(log: "str | Log | None") -> Log | None:
    """Return what a monitor calls for each measurement.

    Parameters
    ----------
    log : str, callable or None
        A callable is returned unchanged. A text is the name of a service, and after a colon what it needs:
        ``tensorboard`` or ``tensorboard:FOLDER`` (default ``runs``); ``wandb``, which logs to the run that
        ``wandb.init`` started; ``mlflow``, which logs to its active run; ``prometheus:FILE``, which replaces a
        text file for the collector of Prometheus's node exporter.

    Raises
    ------
    CollapseError
        If the name is unknown, a package is not installed, or ``prometheus`` has no file.
    """
    if log is None or callable(log):
        return log
    name, _, rest = log.partition(":")
    if name not in _NAMES:
        raise CollapseError(f"unknown log {log!r}: pass a function, or one of {', '.join(_NAMES)}")
    if name == "prometheus":
        if not rest:
            raise CollapseError(
                "log='prometheus' needs a file: log='prometheus:/var/lib/node_exporter/collapse.prom'"
            )
        return Prometheus(Path(rest))
    require(name, f"log={log!r}")
    return {"tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow}[name](rest)


def _tensorboard(folder: str) -> Log:
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = SummaryWriter(folder or "runs")

    def log(values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return log


def _wandb(_rest: str) -> Log:
    import wandb

    def log(values: dict[str, float], step: int) -> None:
        wandb.log(values, step=step)

    return log


def _mlflow(_rest: str) -> Log:
    import mlflow

    def log(values: dict[str, float], step: int) -> None:
        # MLflow allows letters, digits, and a few signs in a name.
        mlflow.log_metrics({re.sub(r"[^\w\-. /:]", "_", name): value for name, value in values.items()}, step=step)

    return log


class Prometheus:
    """Writes the latest numbers in the text format of Prometheus, with the table as a label.

    Parameters
    ----------
    path : Path
        The file, which is replaced as a whole each time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, values: dict[str, float], step: int) -> None:
        """Replace the file."""
        lines: dict[str, list[str]] = {}
        for name, value in {**values, "collapse/step": step, "collapse/seconds": time.time()}.items():
            found = _LABELLED.fullmatch(name)
            metric = re.sub(r"\W", "_", f"collapse_{found['measure'] if found else name.rpartition('/')[2]}")
            label = '{table="%s"}' % _escaped(found["name"]) if found else ""  # noqa: UP031  braces
            lines.setdefault(metric, []).append(f"{metric}{label} {value!r}\n")
        with atomic_write(self._path) as file:
            for metric, of_metric in lines.items():
                file.write(f"# TYPE {metric} gauge\n{''.join(of_metric)}".encode())


def _escaped(name: str) -> str:
    return name.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
