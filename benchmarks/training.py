"""Training speed compared with a plain implementation, at Criteo's shape: ``python -m benchmarks.training``.

The plain implementation has a Dataset that returns one row, a DataLoader that collates 2048 of them, a stock
`nn.Embedding`, the interaction as in its formula, the default Adam, and `nn.Dropout`. ``--batch 64 --fraction 0.02
--threads 1`` are the steps of the small profiles. Both train the same
model on the same rows in float32 with exact Adam; ours also with bfloat16 products. Short bursts of steps of
all methods alternate, and the first step of a burst does not count. The output has the medians, their ratio
to the plain speed, and their fraction of the float32 bound: the flops of our products at the machine's rate,
and the bytes of Adam and of the embeddings at its copy rate. If FuxiCTR is installed (``pip install
fuxictr``), its DCNv2 is included.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import copy_rate, product_rate
from collapse.errors import CollapseError
from collapse.training.data.sources.synthetic.settings import SyntheticSettings
from collapse.training.data.store.prepared import PreparedData
from collapse.training.data.store.schema import Schema
from collapse.training.data.store.split import Split
from collapse.training.models.config import ModelConfig
from collapse.training.models.embedding import FusedEmbedding
from collapse.training.models.kernels.dropout import Dropout
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.reference import FORMULAS, usual_cross, usual_ffm
from collapse.training.models.registry import model_config
from collapse.training.runs.config import OptimiserConfig, RunConfig
from collapse.training.runs.loop import Trainer
from collapse.training.runs.machine import (
    fast_float32_products,
    keep_freed_memory,
    largest_product,
    refuse_slow_bf16,
)

TWIN = "plain twin"
USUAL = (TWIN, "fuxictr")
FIELDS, TABLE_ROWS = 39, 1_080_000


def criteo_cardinalities(fraction: float = 1) -> list[int]:
    """Return 39 cardinalities, log-spaced from 4 to 190,000, with Table 4's sum 1.08 M, or a fraction of it."""
    return SyntheticSettings(shape="criteo", scale=fraction).cardinalities


def zipf_rows(rows: int, cardinalities: list[int]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Draw ids with frequencies proportional to one over their rank, and labels at Criteo's rate."""
    generator = np.random.default_rng(0)
    ids = np.stack([(D ** generator.random(rows)).astype(np.int32) - 1 for D in cardinalities], axis=1).clip(
        0, np.array(cardinalities, dtype=np.int32) - 1
    )
    return np.ascontiguousarray(ids), (generator.random(rows) < 0.256).astype(np.uint8)


Row = tuple[NDArray[np.int64], np.float32]


class Rows(Dataset[Row]):
    """One row at a time."""

    def __init__(self, ids: NDArray[np.int32], labels: NDArray[np.uint8]) -> None:
        self.ids, self.labels = ids.astype(np.int64), labels.astype(np.float32)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Row:
        return self.ids[row], self.labels[row]


class PlainEmbedding(nn.Module):
    """The stock embedding of all fields, one per set or sub-embedding."""

    offsets: Tensor

    def __init__(self, fused: FusedEmbedding, size: int) -> None:
        super().__init__()
        rows, columns = fused.weight.shape
        self.register_buffer("offsets", fused.offsets.long())
        self.parts = nn.ModuleList(nn.Embedding(rows, size) for _ in range(columns // size))
        self.sets = fused.sets

    def forward(self, ids: Tensor) -> tuple[Tensor, ...]:
        """Return one tensor per set."""
        rows = ids + self.offsets
        return torch.cat([part(rows) for part in self.parts], dim=2).chunk(self.sets, dim=2)


def plain_model(cardinalities: list[int], config: ModelConfig) -> MultiEmbeddingModel:
    """Build the plain implementation: our model without its fast parts."""
    model = MultiEmbeddingModel(cardinalities, config)
    model.embedding = PlainEmbedding(model.embedding, config.embedding_size)
    formula = {**FORMULAS, "dcnv2": usual_cross, "ffm": usual_ffm}[config.model]
    for interaction in model.interactions:
        interaction.forward = partial(formula, interaction)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, Dropout):
                setattr(module, name, nn.Dropout(child.p))
    return model


def plain_steps(
    ids: NDArray[np.int32], labels: NDArray[np.uint8], cardinalities: list[int], config: RunConfig
) -> Iterator[None]:
    """Train the plain implementation forever, one step at a time."""
    model = plain_model(cardinalities, config.model)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-6)
    loader = DataLoader(Rows(ids, labels), batch_size=config.optimiser.batch_size, shuffle=True, drop_last=True)
    while True:
        for batch, target in loader:
            optimiser.zero_grad()
            F.binary_cross_entropy_with_logits(model(batch), target).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            yield


def our_steps(
    ids: NDArray[np.int32], labels: NDArray[np.uint8], cardinalities: list[int], config: RunConfig
) -> Iterator[None]:
    """Train ours forever, one step at a time."""
    schema = Schema(
        fields=tuple(f"C{n}" for n in range(len(cardinalities))), cardinalities=tuple(cardinalities), name="zipf"
    )
    data = PreparedData(path=Path(), schema=schema, ids=ids, labels=labels, manifest={})
    rows = np.arange(len(labels))
    trainer = Trainer(config, data, Split(train=rows, validation=rows[:4096], test=rows[:0]), torch.device("cpu"))
    B = config.optimiser.batch_size
    while True:
        yield from trainer._steps(1, [(s, s + B) for s in range(0, len(rows) - B + 1, B)])  # noqa: SLF001
        trainer._steps_done = 0  # noqa: SLF001


def alternate(ways: dict[str, Iterator[None]], rounds: int, burst: int = 3) -> dict[str, float]:
    """Time bursts of steps of every method in turn; return the median seconds per step."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            keep_freed_memory(keep=name not in USUAL)
            next(way)
            start = time.perf_counter()
            for _ in range(burst):
                next(way)
            times[name].append((time.perf_counter() - start) / burst)
    return {name: statistics.median(values) for name, values in times.items()}


def bound_seconds(cardinalities: list[int], config: RunConfig) -> tuple[float, str]:
    """Return the minimum time of a float32 step, and its parts."""
    B, N = config.optimiser.batch_size, len(cardinalities)
    small = MultiEmbeddingModel([1] * N, config.model)
    with FlopCounterMode(display=False) as counter:
        small(torch.zeros(B, N, dtype=torch.int32)).sum().backward()
    flops = counter.get_total_flops()
    columns = small.embedding.weight.shape[1]
    weights = sum(parameter.numel() for parameter in small.parameters()) + (sum(cardinalities) - N) * columns
    # Adam reads a weight, its gradient and two moments, and writes all but the gradient; the embeddings of a batch
    # are gathered, read, and their gradients written and added: four reads and four writes.
    moved = 28 * weights + 32 * B * N * columns
    seconds = flops / product_rate(torch.float32) + moved / copy_rate()
    return seconds, f"{flops / 1e9:.1f} GFLOP, and {moved / 1e6:.0f} MB of Adam and embeddings"


def main() -> None:
    """Measure one model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["dcnv2"], help="names such as dcnv2, dcnv2-100, dnn-10x10")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--batch", type=int, default=2048, help="rows per step")
    parser.add_argument("--fraction", type=float, default=1.0, help="fraction of Criteo's table rows")
    parser.add_argument("--threads", type=int, help="threads; by default all cores")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        refuse_slow_bf16(torch.device("cpu"))
        bf16 = True
    except CollapseError as error:
        print(f"no bf16: {error}")
        bf16 = False
    for name in options.models:
        # FFM has no products to make faster, and a third copy of its tables and moments takes 5 GB.
        measure(
            model_config(name),
            options.rounds,
            bf16=bf16 and not name.startswith("ffm"),
            batch=options.batch,
            fraction=options.fraction,
        )


def measure(model: ModelConfig, rounds: int, *, bf16: bool, batch: int, fraction: float) -> None:
    """Measure and print all methods for one model."""
    config = RunConfig(model=model, optimiser=OptimiserConfig(batch_size=batch))
    # The twin of FFM takes 24 GB at Criteo's shape: 38 tables, their gradients, moments, and Adam's intermediate
    # values.
    cardinalities = criteo_cardinalities(min(fraction, 1 / 16) if model.model == "ffm" else fraction)
    ids, labels = zipf_rows(200_000, cardinalities)
    ways = {
        TWIN: plain_steps(ids, labels, cardinalities, config),
        "float32": our_steps(ids, labels, cardinalities, config),
    }
    if model.model == "dcnv2" and model.sets == 1 and find_spec("fuxictr") is not None:
        from benchmarks.fuxictr_dcnv2 import fuxictr_steps

        ways["fuxictr"] = fuxictr_steps(ids, labels, cardinalities, config)
    if bf16:
        ways["bf16"] = our_steps(ids, labels, cardinalities, replace(config, precision="bf16"))
    # Small steps vary more, and each takes less time.
    burst = max(3, 20 * 64 // batch)
    weights = MultiEmbeddingModel([1] * FIELDS, model)
    with fast_float32_products(largest_product(weights, batch)) as through_onednn:
        seconds = alternate(ways, rounds, burst)
    with fast_float32_products():
        bound, made_of = bound_seconds(cardinalities, config)
    library = ", products through oneDNN" if through_onednn else ""
    threads, B = torch.get_num_threads(), config.optimiser.batch_size
    shape = f"{FIELDS} fields, {sum(cardinalities):,} rows of tables, batch {B}"
    print(f"{model.name}: {shape}, {threads} threads{library}")
    for name, value in seconds.items():
        ratio = seconds[TWIN] / value
        rate = f"{value * 1e3:7.1f} ms a step {B / value:8,.0f} rows/s"
        print(f"  {name:10s} {rate} {ratio:5.2f} x {bound / value:5.0%} of the bound")
    print(f"  float32 bound: {bound * 1e3:.1f} ms for {made_of}", flush=True)


if __name__ == "__main__":
    main()
