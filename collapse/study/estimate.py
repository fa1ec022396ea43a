"""How long runs will take: by their arithmetic, put right by the runs that are finished."""

import math
from collections.abc import Sequence
from statistics import median

from collapse.study.study import StudyRun
from collapse.training.data.prepared import PreparedData
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.runs.config import RunConfig

FLOPS = 6e10
"""Of one thread, until a run has told: products of this size on a CPU of today, everything counted in."""
OVERHEAD = 2e-5
"""Seconds a row and a thread that are not arithmetic."""


def work(config: RunConfig, data: PreparedData) -> float:
    """Return the seconds of one thread that a run takes if it does all its epochs, to within a factor.

    Parameters
    ----------
    config : RunConfig
        The run.
    data : PreparedData
        Its data set.

    Returns
    -------
    float
        Six operations a row and a weight outside the tables, and an overhead a row; a row that is validated or
        tested costs a third of a trained one.
    """
    import torch

    with torch.device("meta"):
        model = MultiEmbeddingModel(list(data.schema.cardinalities), config.model)
    weights = sum(p.numel() for p in model.parameters()) - model.embedding.weight.numel()
    rows = (0.8 * config.train_share + 0.1 / 3) * data.rows * config.epochs + data.rows * 0.1 / 3
    return rows * (6 * weights / FLOPS + OVERHEAD)


def speed(finished: Sequence[tuple[float, StudyRun]]) -> float:
    """Return how many seconds of work finished runs did a second.

    Parameters
    ----------
    finished : sequence of (float, StudyRun)
        Each run's `work`, and the run.

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
