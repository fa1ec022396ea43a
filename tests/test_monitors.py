"""Monitors measure during training, change nothing, and survive a resume."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch

from collapse import diagnose, load
from collapse.analysis.dynamics import dynamics
from collapse.analysis.factorised import factorise
from collapse.analysis.interaction_patterns import interaction_patterns
from collapse.analysis.monitors import AbundanceMonitor, CoInfluenceMonitor, PatternsMonitor
from collapse.analysis.settings import PAPER
from collapse.analysis.sub_embeddings import Side, co_influence, sub_embedding_abundance
from collapse.errors import CollapseError
from collapse.io.checkpoint.file import load_checkpoint
from collapse.training.models.registry import model_config
from collapse.training.runs.config import OptimiserConfig, RunConfig
from collapse.training.runs.loop import EpochResult
from collapse.training.runs.progress import RunStopped
from collapse.training.runs.run import Run


@pytest.fixture
def config(small_data: Path) -> RunConfig:
    optimiser = OptimiserConfig(batch_size=256, learning_rate=0.01)
    return RunConfig(data=str(small_data), model=model_config("dcnv2-4"), optimiser=optimiser, epochs=3)


def test_they_keep_what_the_analysis_finds_at_the_end(config: RunConfig, tmp_path: Path) -> None:
    Run(
        config,
        tmp_path,
        "cpu",
        monitors=[AbundanceMonitor(), CoInfluenceMonitor()],
        monitor_every=2,
        keep_last=True,
    ).train()
    kept = pd.read_csv(tmp_path / "abundance.csv")
    assert kept["epoch"].unique().tolist() == [0, 1, 2, 3]
    assert (kept.drop_duplicates("step")["step"].diff().dropna() > 0).all()
    last = kept[kept["step"] == kept["step"].max()]
    fields = diagnose(tmp_path / "last.pt", settings=PAPER)
    assert last["field"].tolist() == fields["field"].tolist()
    np.testing.assert_allclose(last["ia"], fields["ia"])
    np.testing.assert_allclose(last["ia_normalised"], fields["ia_normalised"])
    np.testing.assert_allclose(last["ia_adjusted"], diagnose(tmp_path / "last.pt")["ia_adjusted"])
    correlations = pd.read_csv(tmp_path / "co-influence.csv").iloc[-2:]
    pairs = sub_embedding_abundance(factorise(load(tmp_path / "last.pt"), PAPER))
    for by, found in zip(get_args(Side), correlations["spearman"], strict=True):
        assert found == pytest.approx(co_influence(pairs, by)[1].spearman)


def test_they_change_nothing(config: RunConfig, tmp_path: Path) -> None:
    Run(
        config, tmp_path / "with", "cpu", monitors=[AbundanceMonitor(), CoInfluenceMonitor()], monitor_every=1
    ).train()
    Run(config, tmp_path / "without", "cpu").train()
    assert (tmp_path / "with" / "best.pt").read_bytes() == (tmp_path / "without" / "best.pt").read_bytes()
    assert not (tmp_path / "without" / "abundance.csv").exists()


def test_a_resumed_run_keeps_the_same_rows(config: RunConfig, tmp_path: Path) -> None:
    class Stop(AbundanceMonitor):
        looks = 0

        def __call__(self, checkpoint):  # type: ignore[no-untyped-def]
            Stop.looks += 1
            if Stop.looks == 6:
                raise RunStopped(tmp_path, 15)
            return super().__call__(checkpoint)

    Run(config, tmp_path / "whole", "cpu", monitors=[AbundanceMonitor()], monitor_every=3).train()
    with pytest.raises(RunStopped):
        Run(config, tmp_path / "cut", "cpu", monitors=[Stop()], monitor_every=3).train()
    Run(config, tmp_path / "cut", "cpu", monitors=[AbundanceMonitor()], monitor_every=3).train(resume=True)
    assert (tmp_path / "cut" / "abundance.csv").read_bytes() == (tmp_path / "whole" / "abundance.csv").read_bytes()


def test_a_model_without_field_maps_has_no_co_influence(config: RunConfig, tmp_path: Path) -> None:
    without = replace(config, model=model_config("dnn-4"), epochs=1)
    Run(without, tmp_path, "cpu", monitors=[CoInfluenceMonitor()]).train()
    assert not (tmp_path / "co-influence.csv").exists()


def test_their_columns_stand_in_the_metrics(config: RunConfig, tmp_path: Path) -> None:
    Run(config, tmp_path, "cpu", monitors=[AbundanceMonitor(), CoInfluenceMonitor()]).train()
    metrics = dynamics(tmp_path)
    kept = pd.read_csv(tmp_path / "abundance.csv")
    for measure in ("ia", "ia_normalised"):
        means = kept[kept["epoch"] > 0].groupby("epoch")[measure].mean()
        np.testing.assert_allclose(metrics[f"{measure}_mean"], means)
    pearson = pd.read_csv(tmp_path / "co-influence.csv").query("epoch > 0").pivot(index="epoch", columns="by")
    for by in get_args(Side):
        np.testing.assert_allclose(metrics[f"co_influence_{by}"], pearson["pearson"][by])


@pytest.mark.libraries
def test_tensorboard_shows_the_metrics_and_hides_what_a_resume_comes_to_again(
    config: RunConfig, tmp_path: Path
) -> None:
    def stop(result: EpochResult) -> None:
        if result.epoch == 2:
            raise RunStopped(tmp_path, 15)

    monitors = [AbundanceMonitor()]
    with pytest.raises(RunStopped):
        Run(config, tmp_path, "cpu", monitors=monitors, monitor_every=4, tensorboard=True).train(report=stop)
    Run(config, tmp_path, "cpu", monitors=monitors, monitor_every=4, tensorboard=True).train(resume=True)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    metrics = dynamics(tmp_path)
    assert set(shown.Tags()["scalars"]) == set(metrics.columns) - {"epoch"}
    steps_an_epoch = 10
    events = shown.Scalars("validation_auc")
    assert [event.step for event in events] == [steps_an_epoch * epoch for epoch in metrics["epoch"]]
    np.testing.assert_allclose([event.value for event in events], metrics["validation_auc"], rtol=1e-6)
    # Every four steps, and at the end of every epoch of ten.
    assert [event.step for event in shown.Scalars("ia_mean")] == [4, 8, 10, 12, 16, 20, 20, 24, 28, 30]


def test_tensorboard_that_is_not_there_is_refused_first(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(CollapseError, match=r"pip install 'embedding-collapse\[tensorboard\]'"):
        Run(config, tmp_path / "run", "cpu", tensorboard=True)
    assert not (tmp_path / "run").exists()


def test_the_peak_is_that_of_what_is_watched() -> None:
    """An array from before does not count, and a temporary one does. Measured in a separate process."""
    program = """
import numpy, torch
from collapse.training.runs.memory import PeakMemory
before = numpy.ones(2**26); del before
peak = PeakMemory(torch.device("cpu")); first = peak.read()["process"]
within = numpy.ones(2**25); del within
print(first, peak.read()["process"], peak.read()["gpu"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, last, gpu = done.stdout.split()
    assert int(last) == pytest.approx(int(first) + 2**28, rel=0.05)
    assert gpu == "None"


def test_patterns_are_those_of_the_checkpoint(config: RunConfig, small_data: Path, tmp_path: Path) -> None:
    """DCNv2 is measured every time, and a model without projections never."""
    Run(config, tmp_path / "dcnv2", "cpu", monitors=[PatternsMonitor()], keep_last=True).train()
    frame = interaction_patterns(tmp_path / "dcnv2" / "last.pt")
    last = dynamics(tmp_path / "dcnv2").iloc[-1]
    assert last["unitary_distance"] == pytest.approx(frame["unitary_distance"].mean())
    assert last["pattern_divergence"] == pytest.approx(frame.attrs["divergence"])
    assert len(pd.read_csv(tmp_path / "dcnv2" / "patterns.csv")) == 4
    for name in ("fm-2", "ffm-2"):
        other = replace(config, model=model_config(name))
        Run(other, tmp_path / name, "cpu", monitors=[PatternsMonitor()]).train()
        assert "unitary_distance" not in dynamics(tmp_path / name)


def test_a_table_of_zeros_does_not_end_a_training(config: RunConfig, small_data: Path, tmp_path: Path) -> None:
    """Weight decay gives such a table for a field without gradients. Its adjusted abundance is below 0."""
    Run(config, tmp_path, "cpu", keep_last=True).train()
    checkpoint = load_checkpoint(tmp_path / "last.pt")
    for tensor in checkpoint.state_dict.values():
        tensor.zero_()
    every_row = torch.ones_like(checkpoint.row_counts)
    for counts in (checkpoint.row_counts, every_row):
        for row in AbundanceMonitor()(replace(checkpoint, row_counts=counts)):
            assert row["ia"] == row["ia_normalised"] == 0
            assert row["ia_adjusted"] < 0
