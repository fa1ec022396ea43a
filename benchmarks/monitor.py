"""The cost of the monitors compared with a training step: ``python -m benchmarks.monitor``.

Criteo's shape: 39 tables with 1.08 million rows in total, K = 10, DCNv2 with the paper's settings, Adam, a
batch of 10,000, and a measurement every 1,000 steps. ``--device cuda`` measures on a GPU.
"""

import argparse
import time

import torch

import collapse
from benchmarks.machine import best
from benchmarks.training import criteo_cardinalities


def measured(device: str, batch: int, every_n_steps: int) -> None:
    """Time steps without a measurement, and measurements."""
    D, K = criteo_cardinalities(), 10
    torch.manual_seed(0)
    tables = torch.nn.ModuleList(torch.nn.Embedding(rows, K) for rows in D).to(device)
    W = torch.nn.ModuleList(torch.nn.Linear(len(D) * K, len(D) * K) for _ in range(4)).to(device)
    head = torch.nn.Sequential(torch.nn.Linear(len(D) * K, 400), torch.nn.ReLU(), torch.nn.Linear(400, 1)).to(
        device
    )
    parameters = [*tables.parameters(), *W.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(parameters, fused=True)
    ids = torch.stack([torch.randint(rows, (batch,), device=device) for rows in D], 1)
    labels = torch.randint(2, (batch, 1), device=device).float()

    def step() -> None:
        x0 = x = torch.cat([table(ids[:, i]) for i, table in enumerate(tables)], 1)
        for each in W:
            x = x0 * each(x) + x
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(x), labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    def waited(function: object) -> float:
        def call() -> None:
            function()  # type: ignore[operator]
            if device != "cpu":
                torch.cuda.synchronize()

        return best(call, 5)

    monitor = collapse.SpectrumMonitor(tables, every_n_steps=every_n_steps)
    start = time.perf_counter()
    monitor.measure(0)
    first = time.perf_counter() - start
    of_step, measuring = waited(step), waited(lambda: monitor.measure(0))
    watched = torch.nn.ModuleList([W, head])
    activations = collapse.ActivationMonitor(watched, every_n_steps=1)

    def look() -> None:
        step()
        activations.step()

    looking = waited(look) - of_step
    activations.close()
    print(f"{device}: {batch:,} rows a step take {1000 * of_step:.1f} ms, a measurement {1000 * measuring:.1f} ms")
    print(f"the first measurement, which draws the random baseline: {1000 * first:.0f} ms, once")
    print(f"a look at the outputs of {activations.history['layer'].nunique()} layers: {1000 * looking:.1f} ms")
    for name, seconds in (("tables", measuring), ("outputs of layers", looking)):
        share = seconds / every_n_steps / of_step
        print(f"{name}, every {every_n_steps:,} steps: {share:.3%} of the step time (bound: 2 %)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--every-n-steps", type=int, default=1000)
    options = parser.parse_args()
    measured(options.device, options.batch, options.every_n_steps)
