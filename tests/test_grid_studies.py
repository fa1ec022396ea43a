"""Figures, tables and findings of runs that no profile made."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse.paper.catalogue import CATALOGUE, all_items, runs_of
from collapse.paper.inferred import infer_profile
from collapse.paper.item import PaperStudy
from collapse.paper.profiles import PROFILES
from collapse.study.finder import Finder
from collapse.training.models.registry import model_config
from collapse.training.runs.config import RunConfig, Seeds
from tests.conftest import Collapse

GRID = """
data = "{data}"
epochs = 1
patience = 2
[optimiser]
batch_size = 64
learning_rate = [0.001, 0.003]
[model]
model = ["dcnv2-2", "dcnv2-4", "dcnv2-2x2"]
cross_layers = 2
[seeds]
initialisation = [3, 5]
"""


@pytest.mark.parametrize("name", PROFILES)
def test_a_profiles_runs_are_found_again(name: str) -> None:
    """Items of the inferred profile have at least the runs of the profile that made them."""
    profile = PROFILES[name]
    inferred = infer_profile(runs_of(["all"], profile))
    for item in all_items(profile):
        assert set(runs_of([item], profile)) <= set(runs_of([item], inferred)), item
    assert inferred.largest == profile.largest
    assert inferred.is_inferred


@pytest.mark.slow
@settings(max_examples=30)  # each builds hundreds of runs
@given(st.data())
def test_any_runs_have_a_profile(data: st.DataObject) -> None:
    every = runs_of(["all"], PROFILES["smoke"])
    some = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=8, unique=True))
    profile = infer_profile(some)
    for item in data.draw(st.lists(st.sampled_from(sorted(CATALOGUE)), min_size=1, max_size=3)):
        runs_of([item], profile)
    if len({(run.epochs, run.patience) for run in some}) == 1:
        assert {run.data for run in some} == set(profile.data)
        assert profile.rows == max(run.train_share for run in some)


def test_settings_that_all_runs_share_are_the_profiles() -> None:
    runs = [
        RunConfig(model=model_config(name), precision="bf16", train_share=share, seeds=Seeds(initialisation=seed))
        for name in ("dcnv2-6,cross_layers=2", "dcnv2-12,cross_layers=2", "dnn-6", "dnn-12,depth=2")
        for share in (0.1, 0.7)
        for seed in (4, 9)
    ]
    profile = infer_profile([*runs, RunConfig(model=model_config("dcnv2-6"))])
    assert (profile.base_size, profile.multiples, profile.rows) == (6, (1, 2), 0.7)
    assert profile.settings == ("precision=bf16",)
    assert profile.model_settings == ("dcnv2,cross_layers=2",)
    assert profile.initialisations == (4, 9)
    found = set(runs_of(["6b"], profile))
    assert {run for run in runs if run.train_share == 0.7 and run.model.name != "dnn-12,depth=2"} <= found
    assert "16 of the 17 runs" in profile.summary


@pytest.mark.slow
def test_a_grid_is_a_study(small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
    (tmp_path / "grid.toml").write_text(GRID.format(data=small_data))
    out = tmp_path / "study"
    assert collapse("sweep", "--config", tmp_path / "grid.toml", "--out", out)[0] == 0
    code, listed, err = collapse("figures", out, "--list")
    assert code == 0, err
    finished = {line.split()[0]: int(line.split()[1]) for line in listed.splitlines()[:-1]}
    assert finished["8b"] == 2
    assert finished["12"] == 6
    code, text, err = collapse("figures", out, "--figure", "all")
    assert code == 0, err
    page = (out / "figures" / "index.html").read_text()
    for item in ("1b", "2", "3", "8b", "10a", "12", "table-1"):
        assert f'id="{item}"' in page
    for item in ("5a", "10c", "14", "table-3", "table-7"):
        assert f'id="{item}"' not in page
    means = pd.read_csv(out / "figures" / "figure-12-means.csv")
    assert means["size"].tolist() == [2, 2, 2, 2]
    code, text, err = collapse("findings", out)
    assert code == 0, err
    assert "claims need runs that are not there" in text
    assert "6 of the 12 runs in the folder have these settings" in " ".join(text.split())
    code, _, err = collapse("figures", out, "--figure", "14")
    assert code == 2
    assert "it needs ffm-2" in err


def test_runs_are_found_by_what_they_are(small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
    """Made by `collapse train`, in folders of any name, and after the data are gone."""
    data = tmp_path / "data"
    shutil.copytree(small_data, data)
    for name in ("dcnv2-2", "dcnv2-4", "dcnv2-2x2"):
        words = ("--data", data, "--model", name, "--epochs", 1, "--out", tmp_path / "mine" / f"run {name}")
        assert collapse("train", *words)[0] == 0
    study = PaperStudy(tmp_path / "mine")
    assert [run.path.name for run in study.item("8b").finished_runs] == ["run dcnv2-4", "run dcnv2-2x2"]
    shutil.rmtree(data)
    code, text, err = collapse("figures", tmp_path / "mine", "--figure", "8b")
    assert code == 0, err
    assert "figure-8b.png" in text


def test_a_run_on_other_rows_is_not_found(small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
    words = ("--data", small_data, "--model", "dcnv2-2", "--epochs", 1)
    assert collapse("train", *words, "--out", tmp_path / "a")[0] == 0
    finder = Finder(tmp_path)
    [run] = finder.find(finder.configs)
    assert (run.state, run.path) == ("finished", tmp_path / "a")
    manifest = tmp_path / "a" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"sha256": "', '"sha256": "0'))
    [run] = Finder(tmp_path).find(finder.configs)
    assert run.state == "missing"


def test_a_folder_without_runs(tmp_path: Path, collapse: Collapse) -> None:
    for words in (["figures", tmp_path, "--list"], ["findings", tmp_path / "none"]):
        code, _, err = collapse(*words)
        assert (code, "has no runs" in err) == (2, True)
