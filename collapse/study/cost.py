"""What a run costs: time from operations, bytes and launches, and memory and disk from its parameters.

One step of a run does f floating-point operations forward, writes b bytes of results, and calls n operators; the
backward pass does twice as much. Adam reads and writes every parameter, its gradient and two moments. The time is

    (3 f / F + 3 b / B + 3 n L + p A) / speed

with the rates of a machine: F operations per second, B bytes per second, L seconds per call and A seconds per
parameter. f, b and n are counted by torch on tensors without memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from collapse.training.models.config import ModelConfig
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.size import model_bytes, shapes_alone
from collapse.training.runs.config import RunConfig


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Rates of one thread or of one GPU."""

    name: str
    """Name of the machine."""
    flops: float
    """Floating-point operations per second, in products of matrices of these sizes."""
    bandwidth: float
    """Bytes of results per second."""
    call: float
    """Seconds per operator that is called."""
    parameter: float
    """Seconds per parameter in a step of Adam."""
    source: str
    """Where the rates are from."""
    devices: int = 1
    """Number of devices, each with a run at a time; 1 for a CPU."""
    speedups: tuple[tuple[str, float], ...] = ()
    """Factors of the operations per second at other precisions than float32."""


_GPU = (
    "computed from the published rates, not measured: 60 % of the operations, 70 % of the bandwidth, 7 us per call"
)


def _gpu(name: str, flops: float, bandwidth: float, tf32: float, bf16: float, devices: int = 1) -> Machine:
    """Return a GPU from its published operations and bytes per second. Adam moves 28 bytes per parameter."""
    return Machine(
        name=name,
        flops=0.6 * flops,
        bandwidth=0.7 * bandwidth,
        call=7e-6,
        parameter=28 / (0.7 * bandwidth),
        source=_GPU,
        devices=devices,
        speedups=(("tf32", tf32 / flops), ("bf16", bf16 / flops)),
    )


MACHINES = {
    machine.name: machine
    for machine in (
        Machine(
            name="cpu",
            flops=1.36e11,
            bandwidth=8.5e9,
            call=8.5e-6,
            parameter=1.64e-9,
            source="one thread of a Xeon with AVX-512, fitted to 959 runs of the smoke, small and flights "
            "profiles",
        ),
        _gpu("a100", 19.5e12, 1.555e12, 156e12, 312e12),
        _gpu("h100", 67e12, 3.35e12, 495e12, 990e12),
        _gpu("8xh100", 67e12, 3.35e12, 495e12, 990e12, devices=8),
    )
}
"""The machines of `--on`. Published rates: NVIDIA A100 40GB SXM and H100 SXM data sheets, without sparsity."""

_EPOCHS_TO_BEST = 4
"""Epochs to the best one where early stopping decides: in 73 runs on all flights, runs ended after 4 to 7 epochs
with a patience of 3."""
_EVALUATED = 8192
"""Rows that are evaluated together."""
_START = 0.5
"""Seconds to start a run, to count rows and to write checkpoints. The processes have imported torch before."""
_BESIDE = 0.09
"""Time of measurements during training, relative to it."""
_PROCESS, _HELD = 720_000_000, 1.1
"""Bytes of a process apart from the run, and how often a batch's results are held: fitted to the largest runs of
five studies, whose peaks are 0.90 to 1.53 GB, to 24 % at most."""
_KEPT = 220_000
"""Bytes of a finished run apart from its weights, row counts and predictions."""


@cache
def step(model: ModelConfig, cardinalities: tuple[int, ...], rows: int) -> tuple[float, float, int]:
    """Count the forward pass of one batch.

    Returns
    -------
    flops, bytes : float
        Floating-point operations, and bytes of all results that are not views.
    calls : int
        Number of operators.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode

    class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
        calls, bytes = 0, 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            found = func(*args, **(kwargs or {}))
            if not func.is_view:
                self.calls += 1
                results = found if isinstance(found, tuple | list) else (found,)
                self.bytes += sum(
                    each.numel() * each.element_size() for each in results if isinstance(each, torch.Tensor)
                )
            return found

    with shapes_alone(model):
        network, ids_BN = (
            MultiEmbeddingModel(cardinalities, model),
            torch.zeros(rows, len(cardinalities), dtype=torch.int32),
        )
        with FlopCounterMode(display=False) as products, Counter() as counter:  # type: ignore[no-untyped-call]
            network(ids_BN)
            network.penalty(ids_BN)
    return float(products.get_total_flops()), float(counter.bytes), counter.calls


@cache
def _weights(model: ModelConfig, cardinalities: tuple[int, ...]) -> int:
    return model_bytes(cardinalities, model)


def epochs_expected(config: RunConfig) -> int:
    """Return how many epochs a run is expected to do: all, unless early stopping ends it before."""
    return min(config.epochs, config.patience + _EPOCHS_TO_BEST)


def seconds(
    config: RunConfig,
    cardinalities: Sequence[int],
    rows: int,
    machine: Machine,
    *,
    threads: int = 1,
    epochs: int = 0,
) -> float:
    """Return the expected seconds of a run.

    Parameters
    ----------
    config : RunConfig
        The run.
    cardinalities : sequence of int
        Cardinalities of the data set.
    rows : int
        Rows of the data set.
    machine : Machine
        Where it is trained.
    threads : int
        Threads of a CPU. Operations are divided among them; the rest is sped up by their root.
    epochs : int, optional
        Number of epochs. The default is `epochs_expected`.
    """
    D = tuple(cardinalities)
    train = max(round(0.8 * config.train_share * rows), 2)
    batch = min(config.optimiser.batch_size, train)
    epochs = epochs or epochs_expected(config)
    flops = machine.flops * dict(machine.speedups).get(config.precision, 1.0)
    parameters = _weights(config.model, D) / 4

    f_batch, b_batch, n = step(config.model, D, batch)

    def forward(rows_: int) -> float:
        f, b = f_batch * rows_ / batch, b_batch * rows_ / batch
        return float(f / flops / threads + (b / machine.bandwidth + n * machine.call) / threads**0.5)

    of_step = 3 * forward(batch) + parameters * machine.parameter / threads**0.5
    steps = epochs * -(-train // batch)
    tenth = max(round(0.1 * rows), 1)
    evaluated = min(tenth, _EVALUATED)
    evaluation = (epochs + 1) * tenth / evaluated * forward(evaluated)
    return float(_START + (1 + _BESIDE) * steps * of_step + evaluation)


def disk_bytes(config: RunConfig, cardinalities: Sequence[int], rows: int) -> tuple[int, int]:
    """Return the bytes of a finished run, and those of its state for resuming, which it drops at its end."""
    weights = _weights(config.model, tuple(cardinalities))
    return weights + 8 * sum(cardinalities) + rows // 2 + _KEPT, 3 * weights


def memory_bytes(config: RunConfig, cardinalities: Sequence[int], rows: int) -> int:
    """Return the peak memory of a run: the process, weights, gradients and two moments, and a batch's results."""
    batch = min(config.optimiser.batch_size, max(round(0.8 * config.train_share * rows), 2))
    _, results, _ = step(config.model, tuple(cardinalities), batch)
    return int(_PROCESS + 4 * _weights(config.model, tuple(cardinalities)) + _HELD * results)
