"""Every model on all flights, SE and ME, at one and four base sizes: ``python -m benchmarks.flights``.

Runs use the paper's settings and end by its stopping rule. Finished runs in the folder are kept and
interrupted ones continue, so that the command can be repeated with ``--minutes``. The output, also written as
``flights.csv``, has the test AUC and logloss of the best epoch, the mean information abundance over fields,
its ratio to random matrices, and training rows per second. The speed is measured again, for some seconds per
model and one model at a time, so that other processes during training do not matter.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

import pandas as pd
import torch

from collapse.analysis.diagnosis import diagnose
from collapse.errors import CollapseError
from collapse.training.data.load import load_data
from collapse.training.data.store.split import split_rows
from collapse.training.models.registry import model_config, model_names
from collapse.training.runs.config import RunConfig, Seeds
from collapse.training.runs.folder import RunFolder
from collapse.training.runs.loop import Trainer
from collapse.training.runs.machine import fast_float32_products, keep_freed_memory
from collapse.training.runs.run import Run

SCALE, SEEDED, SEEDS = 4, ("dcnv2", "dnn"), 3
SLOWEST = ("xdeepfm", "autoint")


def planned() -> list[RunConfig]:
    """Return the runs: the first seed of all models first, and slow models last."""
    models = sorted(model_names(), key=lambda model: (model in SLOWEST, model))
    names = []
    for model in models:
        K = model_config(model).embedding_size
        names += [f"{model}-{K}", f"{model}-{SCALE * K}", f"{model}-{K}x{SCALE}"]
    return [
        RunConfig(model=model_config(name), seeds=Seeds(initialisation=seed, order=seed))
        for seed in range(SEEDS)
        for name in names
        if seed == 0 or name.startswith(SEEDED)
    ]


def train(config: RunConfig, folder: Path) -> None:
    """Train one run, or the rest of it."""
    result = Run(config, folder).train(resume=RunFolder(folder).config.exists())
    if not result.already:
        print(f"{config.label}: test AUC {result.test.auc:.5f}", flush=True)


def record(config: RunConfig, folder: RunFolder) -> dict[str, object]:
    """Return a finished run's row."""
    manifest = folder.read_manifest()
    fields = diagnose(folder.best)
    return {
        "model": config.model.name,
        "seed": config.seeds.order,
        "test_auc": manifest["test"]["auc"],
        "test_logloss": manifest["test"]["logloss"],
        "mean_ia": fields["ia"].mean(),
        "mean_ia_normalised": fields["ia_normalised"].mean(),
        "best_epoch": manifest["best_epoch"],
    }


class Enough(Exception):
    """Raised when the speed has been measured long enough."""


def rate(config: RunConfig, seconds: float) -> float:
    """Return a model's training rows per second, without the first step."""
    data = load_data(config.data)
    trainer = Trainer(config, data, split_rows(data.rows, config.seeds.split), torch.device("cpu"))
    ends: list[float] = []

    def after_step() -> None:
        ends.append(time.perf_counter())
        if ends[-1] - ends[0] > seconds:
            raise Enough

    with fast_float32_products(), contextlib.suppress(Enough):
        trainer.train_epoch(after_step)
    return config.optimiser.batch_size * (len(ends) - 1) / (ends[-1] - ends[0])


def main() -> None:
    """Train as long as the time allows, and print the finished runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/flights"), help="the runs' folders go below this one"
    )
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no run after this time")
    parser.add_argument("--only", nargs="*", default=[], help="models, or names with sizes; all by default")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long to measure each model's rate")
    options = parser.parse_args()
    keep_freed_memory()
    start = time.monotonic()
    for config in planned():
        if time.monotonic() - start > 60 * options.minutes:
            break
        if not options.only or {config.model.model, config.model.name} & set(options.only):
            train(config, options.runs / config.label)
    folders = {config.label: RunFolder(options.runs / config.label) for config in planned()}
    done = [config for config in planned() if folders[config.label].read_manifest().get("status") == "finished"]
    if not done:
        raise CollapseError(f"no run in {options.runs} is finished")
    table = pd.DataFrame([record(config, folders[config.label]) for config in done])
    if options.seconds:
        rates = {config.model.name: rate(config, options.seconds) for config in done if config.seeds.order == 0}
        table["rows_per_second"] = table["model"].map(rates)
    table.to_csv(options.runs / "flights.csv", index=False, lineterminator="\n")
    print(table.to_string(index=False, float_format="{:.5g}".format))


if __name__ == "__main__":
    try:
        main()
    except CollapseError as error:
        sys.exit(str(error))
