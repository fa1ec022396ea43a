"""Training speed against a plain twin of the usual way, at Criteo's shape: ``python -m benchmarks.training``.

The twin is what a first implementation is: a Dataset that gives one row, a DataLoader that collates 2048 of them,
a fused `nn.Embedding`, the default Adam, `nn.Dropout`. Both train the same DCNv2 on the same rows in float32 with
exact Adam; ours also with bfloat16 products. Steps of all ways alternate in time; printed are the medians, their
ratio to the twin's speed, and their share of the float32 bound.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.machine import copy_rate, product_rate
from collapse.training.config import ModelConfig, OptimiserConfig, RunConfig
from collapse.training.cpu import fast_float32_products
from collapse.training.data.prepared import PreparedData
from collapse.training.data.schema import Schema
from collapse.training.data.split import Split
from collapse.training.loop import Trainer

FIELDS, TABLE_ROWS, LARGEST, SMALLEST = 39, 1_080_000, 190_000, 4


def criteo_cardinalities() -> list[int]:
    """Return 39 cardinalities, log-spaced from 4 to 190,000, with a sum of 1.08 M as in Table 4."""
    sizes = np.geomspace(SMALLEST, LARGEST, FIELDS)
    inner = sizes[1:-1]
    power = 1.0
    for _ in range(60):
        scaled = SMALLEST * (LARGEST / SMALLEST) ** (
            (np.log(inner / SMALLEST) / np.log(LARGEST / SMALLEST)) ** power
        )
        power *= (scaled.sum() + SMALLEST + LARGEST) / TABLE_ROWS
    return [SMALLEST, *(int(size) for size in scaled), LARGEST]


def zipf_rows(rows: int, cardinalities: list[int]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Draw ids whose frequency falls as one over their rank, and labels at Criteo's rate."""
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


class PlainDCNv2(nn.Module):
    """DCNv2 as it is usually written, SE or ME."""

    offsets: Tensor

    def __init__(self, cardinalities: list[int], config: ModelConfig) -> None:
        super().__init__()
        width, hidden = len(cardinalities) * config.K, config.hidden
        self.register_buffer("offsets", torch.tensor([0, *cardinalities[:-1]]).cumsum(0))
        self.embeddings = nn.ModuleList(nn.Embedding(sum(cardinalities), config.K) for _ in range(config.sets))
        self.crosses = nn.ModuleList(
            nn.ModuleList(nn.Linear(width, width) for _ in range(config.cross_layers)) for _ in range(config.sets)
        )
        self.projections = nn.ModuleList(self._hidden(width, hidden) for _ in range(config.sets))
        self.tower = nn.Sequential(self._hidden(hidden, hidden), nn.Linear(hidden, 1))

    @staticmethod
    def _hidden(inputs: int, hidden: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.2))

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits."""
        outputs = []
        for embedding, layers, projection in zip(self.embeddings, self.crosses, self.projections, strict=True):
            x_0 = embedding(ids + self.offsets).flatten(1)
            x = x_0
            for layer in layers:  # type: ignore[attr-defined]
                x = x_0 * layer(x) + x
            outputs.append(projection(x))
        logits: Tensor = self.tower(torch.stack(outputs).mean(0)).squeeze(1)
        return logits


def plain_steps(
    ids: NDArray[np.int32], labels: NDArray[np.uint8], cardinalities: list[int], config: RunConfig
) -> Iterator[None]:
    """Train the twin for ever, a step at a time."""
    model = PlainDCNv2(cardinalities, config.model)
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
    """Train ours for ever, a step at a time."""
    schema = Schema(
        fields=tuple(f"C{n}" for n in range(len(cardinalities))), cardinalities=tuple(cardinalities), name="zipf"
    )
    data = PreparedData(path=Path(), schema=schema, ids=ids, labels=labels, manifest={})
    rows = np.arange(len(labels))
    trainer = Trainer(config, data, Split(train=rows, validation=rows[:4096], test=rows[:0]), torch.device("cpu"))
    while True:
        yield from trainer._steps(1, [(s, s + 2048) for s in range(0, len(rows) - 2047, 2048)])  # noqa: SLF001
        trainer._steps_done = 0  # noqa: SLF001


def alternate(ways: dict[str, Iterator[None]], rounds: int, burst: int = 3) -> dict[str, float]:
    """Time bursts of steps of every way in turn; return the median seconds a step."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        next(way), next(way)
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            for _ in range(burst):
                next(way)
            times[name].append((time.perf_counter() - start) / burst)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=1, help="SE: times the base size of 10")
    parser.add_argument("--sets", type=int, default=1, help="ME: sets of the base size")
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    model = ModelConfig(scale=options.scale, sets=options.sets)
    config = RunConfig(model=model, optimiser=OptimiserConfig())
    cardinalities = criteo_cardinalities()
    ids, labels = zipf_rows(200_000, cardinalities)
    ways = {
        "plain twin": plain_steps(ids, labels, cardinalities, config),
        "float32": our_steps(ids, labels, cardinalities, config),
        "bf16": our_steps(ids, labels, cardinalities, replace(config, precision="bf16")),
    }
    with fast_float32_products() as through_onednn:
        seconds = alternate(ways, options.rounds)
    B, width, rows = config.optimiser.batch_size, FIELDS * model.K, sum(cardinalities)
    weights = model.sets * (model.cross_layers * width**2 + width * model.hidden) + model.hidden**2
    flops, moved = 6 * B * weights, 28 * rows * model.K * model.sets
    bound = flops / product_rate(torch.float32) + moved / copy_rate()
    library = ", products through oneDNN" if through_onednn else ""
    threads = torch.get_num_threads()
    print(f"{model.name}: {FIELDS} fields, {rows:,} rows of tables, batch {B}, {threads} threads{library}")
    for name, value in seconds.items():
        ratio = seconds["plain twin"] / value
        rate = f"{value * 1e3:7.1f} ms a step {B / value:8,.0f} rows/s"
        print(f"  {name:10s} {rate} {ratio:5.2f} x {bound / value:5.0%} of the bound")
    print(f"  float32 bound: {bound * 1e3:.1f} ms for {flops / 1e9:.1f} GFLOP and {moved / 1e6:.0f} MB of Adam")


if __name__ == "__main__":
    main()
