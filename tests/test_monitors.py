"""Monitors look along the training, change nothing, and survive a resume."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from collapse import diagnose, load
from collapse.analysis.choices import Choices
from collapse.analysis.factors import factorise
from collapse.analysis.monitors import AbundanceMonitor, CoInfluenceMonitor
from collapse.analysis.sub_embeddings import Side, co_influence, sub_embedding_abundance
from collapse.training.models.registry import model_config
from collapse.training.runs.config import OptimiserConfig, RunConfig
from collapse.training.runs.run import Run, RunStopped


@pytest.fixture
def config(small_data: Path) -> RunConfig:
    optimiser = OptimiserConfig(batch_size=256, learning_rate=0.01)
    return RunConfig(data=str(small_data), model=model_config("dcnv2-4"), optimiser=optimiser, epochs=3)


def test_they_keep_what_the_analysis_finds_at_the_end(config: RunConfig, tmp_path: Path) -> None:
    Run(config, tmp_path, "cpu", monitors=[AbundanceMonitor(), CoInfluenceMonitor()], every=2).train()
    kept = pd.read_csv(tmp_path / "abundance.csv")
    assert kept["epoch"].unique().tolist() == [0, 1, 2, 3]
    assert (kept.drop_duplicates("step")["step"].diff().dropna() > 0).all()
    last = kept[kept["step"] == kept["step"].max()]
    fields = diagnose(tmp_path / "last.pt")
    assert last["field"].tolist() == fields["field"].tolist()
    np.testing.assert_allclose(last["ia"], fields["ia"])
    np.testing.assert_allclose(last["ia_normalised"], fields["ia_normalised"])
    correlations = pd.read_csv(tmp_path / "co-influence.csv").iloc[-2:]
    pairs = sub_embedding_abundance(factorise(load(tmp_path / "last.pt"), Choices()))
    for by, found in zip(get_args(Side), correlations["spearman"], strict=True):
        assert found == pytest.approx(co_influence(pairs, by)[1].spearman)


def test_they_change_nothing(config: RunConfig, tmp_path: Path) -> None:
    Run(config, tmp_path / "with", "cpu", monitors=[AbundanceMonitor(), CoInfluenceMonitor()], every=1).train()
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

    Run(config, tmp_path / "whole", "cpu", monitors=[AbundanceMonitor()], every=3).train()
    with pytest.raises(RunStopped):
        Run(config, tmp_path / "cut", "cpu", monitors=[Stop()], every=3).train()
    Run(config, tmp_path / "cut", "cpu", monitors=[AbundanceMonitor()], every=3).train(resume=True)
    assert (tmp_path / "cut" / "abundance.csv").read_bytes() == (tmp_path / "whole" / "abundance.csv").read_bytes()


def test_a_model_without_field_maps_has_no_co_influence(config: RunConfig, tmp_path: Path) -> None:
    without = replace(config, model=model_config("dnn-4"), epochs=1)
    Run(without, tmp_path, "cpu", monitors=[CoInfluenceMonitor()]).train()
    assert not (tmp_path / "co-influence.csv").exists()
