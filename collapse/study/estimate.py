"""Estimates of training time from the operations of a run, corrected by finished runs."""

import math
from collections.abc import Sequence
from functools import cache
from statistics import median

from collapse.study.study import StudyRun
from collapse.study.sweep import Outcome, Planned
from collapse.training.data.load import load_data
from collapse.training.data.store.prepared import PreparedData
from collapse.training.models.config import ModelConfig
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.size import shapes_alone
from collapse.training.runs.config import RunConfig

FLOPS = 6e10
"""Floating-point operations per second of one thread, before any run has finished: matrix products of these sizes
on a current CPU, including everything around them."""
OVERHEAD = 2e-5
"""Seconds per row and thread that are not arithmetic."""
_ROWS = 16
"""Rows of the batch whose operations are counted; the number is linear in the rows."""


def work(config: RunConfig, data: PreparedData) -> float:
    """Return the approximate seconds of one thread that a run takes if it does all its epochs.

    Returns
    -------
    float
        Three times the operations of the forward pass, as torch counts them, and an overhead per row. A row that
        is validated or tested costs a third of a trained one.
    """
    flops = _flops_a_row(config.model, tuple(data.schema.cardinalities))
    rows = (0.8 * config.train_share + 0.1 / 3) * data.rows * config.epochs + data.rows * 0.1 / 3
    return rows * (3 * flops / FLOPS + OVERHEAD)


@cache
def _flops_a_row(model: ModelConfig, cardinalities: tuple[int, ...]) -> float:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with shapes_alone(model), FlopCounterMode(display=False) as products:
        MultiEmbeddingModel(cardinalities, model)(torch.zeros(_ROWS, len(cardinalities), dtype=torch.int64))
    return float(products.get_total_flops()) / _ROWS


def speed(finished: Sequence[tuple[float, StudyRun]]) -> float:
    """Return how many estimated seconds of work finished runs did per second.

    Returns
    -------
    float
        The median; 1 without runs.
    """
    rates = [
        of_run * run.manifest["epochs"] / run.config.epochs / seconds
        for of_run, run in finished
        if (seconds := float(run.manifest.get("seconds_since_start_or_resume", math.nan))) > 0
    ]
    return median(rates) if rates else 1.0


class Remaining:
    """The remaining runs and their time, corrected by finished runs.

    Parameters
    ----------
    runs : sequence of Planned
        All runs, finished or not.
    """

    def __init__(self, runs: Sequence[Planned]) -> None:
        data = {run.config.data: load_data(run.config.data) for run in runs}
        self._work = {run.path: work(run.config, data[run.config.data]) for run in runs}
        finished = {run.path: StudyRun(run.path) for run in runs if run.state == "finished"}
        self._speed = speed([(self._work[path], run) for path, run in finished.items()])
        self._rates: list[tuple[float, float]] = []
        self.runs = {run.path: run for run in runs if run.path not in finished}

    def of_run(self, run: Planned) -> float:
        """Return the seconds that a run takes on one worker."""
        return self._work[run.path] / self._speed

    def seconds(self, jobs: int) -> float:
        """Return the seconds until all runs are done."""
        return sum(self.of_run(run) for run in self.runs.values()) / min(jobs, max(len(self.runs), 1))

    def done(self, found: Outcome) -> None:
        """Record the outcome of a run."""
        self.runs.pop(found.run.path, None)
        if found.result is not None and not found.result["already"]:
            self._rates.append((self._work[found.run.path], found.result["seconds"]))
            self._speed = sum(work for work, _ in self._rates) / sum(seconds for _, seconds in self._rates)
