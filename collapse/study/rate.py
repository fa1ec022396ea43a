"""The rate of a training on this machine, to compare with the model of costs and the table of docs/speed.md."""

import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from collapse.study.cost import MACHINES, seconds
from collapse.training.data.sources.synthetic.settings import SyntheticSettings
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.registry import model_config
from collapse.training.runs.adam import Adam
from collapse.training.runs.config import RunConfig
from collapse.training.runs.machine import fast_float32_products, keep_freed_memory

MODEL = "dcnv2-10"
_BATCH, _BATCHES, _WARM_UP = 2048, 8, 3


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Rows per second of training."""

    measured: float
    """Rows per second on this machine."""
    expected: float
    """Rows per second of the reference machine with as many threads; NaN on a GPU."""
    steps: int
    """Number of steps that were timed."""


def training_rate(device: torch.device, *, for_seconds: float) -> Rate:
    """Train DCNv2 with K = 10 at Criteo's shape on random rows for a while.

    Parameters
    ----------
    device : torch.device
        Where to train.
    for_seconds : float
        How long. The first steps do not count.
    """
    shape = SyntheticSettings(shape="criteo")
    config = RunConfig(model=model_config(MODEL))
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor(shape.cardinalities)
    batches = [
        (torch.rand((_BATCH, len(sizes)), generator=generator) * sizes).int().to(device) for _ in range(_BATCHES)
    ]
    labels_B = torch.randint(0, 2, (_BATCH,), generator=generator).float().to(device)
    keep_freed_memory()
    with torch.random.fork_rng([device] if device.type == "cuda" else []), fast_float32_products():
        torch.manual_seed(0)
        model = MultiEmbeddingModel(shape.cardinalities, config.model).to(device)
        optimiser = Adam(list(model.parameters()), lr=1e-3, weight_decay=1e-6)
        steps, start = 0, 0.0
        while steps < _WARM_UP + 1 or time.perf_counter() - start < for_seconds:
            if steps == _WARM_UP:
                _wait(device)
                start = time.perf_counter()
            model.zero_grad()
            loss = F.binary_cross_entropy_with_logits(model(batches[steps % _BATCHES]), labels_B)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            steps += 1
        _wait(device)
        taken = time.perf_counter() - start
    timed = steps - _WARM_UP
    return Rate(measured=timed * _BATCH / taken, expected=_expected(config, shape, device), steps=timed)


def _expected(config: RunConfig, shape: SyntheticSettings, device: torch.device) -> float:
    if device.type != "cpu":
        return float("nan")
    rows = 10_000_000
    # The difference of two epochs and one is training and evaluation alone; a tenth of the rows is evaluated.
    one, two = (
        seconds(config, shape.cardinalities, rows, MACHINES["cpu"], threads=torch.get_num_threads(), epochs=epochs)
        for epochs in (1, 2)
    )
    return 0.8 * rows / (two - one)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
