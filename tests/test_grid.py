"""A user's own grid: the runs in it, the errors, and a sweep."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.study.grid import read_grid
from collapse.training.models.registry import model_config
from collapse.training.runs.config import OptimiserConfig, RunConfig, Seeds
from tests.conftest import Collapse


def grid(folder: Path, text: str) -> tuple[RunConfig, ...]:
    path = folder / "grid.toml"
    path.write_text(text)
    return read_grid(path)


def test_lists_are_multiplied_and_the_rest_is_the_default(tmp_path: Path) -> None:
    runs = grid(
        tmp_path,
        """
        data = ["flights", "data/shop"]
        epochs = 10
        [model]
        model = ["dcnv2-40", "dcnv2-10x4,cross_layers=8"]
        [optimiser]
        learning_rate = 0.01
        [seeds]
        initialisation = [0, 1, 2]
        """,
    )
    assert len(runs) == 12
    assert runs[0] == RunConfig(
        data="flights",
        epochs=10,
        model=model_config("dcnv2-40"),
        optimiser=OptimiserConfig(learning_rate=0.01),
    )
    assert [run.seeds.initialisation for run in runs[:4]] == [0, 1, 2, 0]
    assert runs[-1].model == model_config("dcnv2-10x4", cross_layers=8)
    assert runs[-1].data == "data/shop"


def test_sizes_and_settings_beside_the_model(tmp_path: Path) -> None:
    runs = grid(tmp_path, "[model]\nmodel = 'dnn'\nembedding_size = [4, 8]\nsets = [1, 2]\ndropout = 0.1\n")
    assert [run.model.name for run in runs] == [
        "dnn-4,dropout=0.1", "dnn-4x2,dropout=0.1", "dnn-8,dropout=0.1", "dnn-8x2,dropout=0.1",
    ]  # fmt: skip


@given(
    model=st.sampled_from(["dcnv2-4", "fm-3x2", "dcnv2-10x4,regularised=lambda", "ffm", "dnn-5,depth=4"]),
    epochs=st.integers(1, 9),
    fraction=st.sampled_from([0.1, 0.5, 1.0]),
    seed=st.integers(0, 5),
)
def test_a_runs_own_config_is_a_grid_of_that_run(
    model: str, epochs: int, fraction: float, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = RunConfig(model=model_config(model), epochs=epochs, train_share=fraction, seeds=Seeds(order=seed))
    path = tmp_path_factory.mktemp("grid") / "config.json"
    path.write_text(json.dumps(config.as_dict()))
    assert read_grid(path) == (config,)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epochs = [", "grid.toml .*TOML"),
        ("epochz = 3", "grid.toml: .*epochz"),
        ("epochs = 0", "grid.toml: epochs"),
        ("epochs = []", "grid.toml: .*empty"),
        ("epochs = [1, [2]]", r"grid.toml: epochs .*\[2\]"),
        ("seeds = 3", r"grid.toml: seeds .*\[seeds\]"),
        ("[seeds]\nbatch = 3", "grid.toml: .*batch"),
        ("[optimiser]\nlearning_rate = 'fast'", "grid.toml: learning_rate .*'fast'"),
        ("[model]\nmodel = 'dcnv9'", "grid.toml: .*dcnv9"),
        ("[model]\nmodel = 3", "grid.toml: .*model .*3"),
        ("[model]\nmodel = 'os:system'", "grid.toml: .*os:system"),
        ("[model]\nmodel = 'dnn'\ncross_layers = 3", "grid.toml: .*cross_layers"),
    ],
)
def test_what_no_run_has_is_refused_in_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CollapseError, match=sentence):
        grid(tmp_path, text)


def test_a_sweep_of_a_grid(small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"data = '{small_data}'\nepochs = 1\n[model]\nmodel = ['fm-2', 'dnn-2']\n")
    study = tmp_path / "study"
    code, out, err = collapse("sweep", "--config", file, "--out", study, "--jobs", 1)
    assert (code, err) == (0, "")
    assert out.count("test AUC") == 2
    assert "rows/s" in out
    results = pd.read_csv(study / "results.csv")
    assert sorted(results["name"]) == ["dnn-2", "fm-2"]
    assert out.index("wrote") > out.index("test_auc")
    assert "0 of them to train" in collapse("sweep", "--config", file, "--out", study)[1]
    for words in (["8a", "--config", file], ["--config", file, "--repeats", 2], [], ["--config", tmp_path / "no"]):
        code, out, err = collapse("sweep", *words, "--out", study)
        assert (code, out, err.count("\n")) == (2, "", 1)
