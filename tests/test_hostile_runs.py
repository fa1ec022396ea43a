"""A state belongs to one run: files from other runs, edits and damage are refused with a sentence."""

import copy
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from collapse.analysis.monitors import AbundanceMonitor, CoInfluenceMonitor, PatternsMonitor
from collapse.errors import CollapseError
from collapse.io.checkpoint.file import load_checkpoint, save_checkpoint
from collapse.training.models.registry import model_config
from collapse.training.runs.config import OptimiserConfig, RunConfig, Seeds
from collapse.training.runs.folder import read_rows
from collapse.training.runs.loop import EpochResult
from collapse.training.runs.monitor import Monitor
from collapse.training.runs.run import Run
from tests.small_data import write_small_data

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def config(small_data: Path) -> RunConfig:
    model = model_config(embedding_size=2, sets=2, hidden=8)
    return RunConfig(data=str(small_data), model=model, optimiser=OptimiserConfig(batch_size=500), epochs=3)


class Enough(Exception):
    """Raised where a run must stop."""


def stopped(config: RunConfig, folder: Path, epochs: int = 1) -> Path:
    """Train some epochs and stop, as a kill would."""

    def report(result: EpochResult) -> None:
        if result.epoch == epochs:
            raise Enough

    with pytest.raises(Enough):
        Run(config, folder, "cpu").train(report=report)
    return folder


@pytest.fixture(scope="module")
def half(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stopped(config, tmp_path_factory.mktemp("half"))


@pytest.fixture
def folder(half: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(half, tmp_path / "run"))


def refusal(config: RunConfig, folder: Path) -> str:
    """Resume, check that the folder stays the same, and return the message of the refusal."""
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".pt", ".csv", ".json")}
    with pytest.raises(CollapseError) as error:
        Run(config, folder, "cpu").train(resume=True)
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".pt", ".csv", ".json")}
    assert after == before
    assert "\n" not in str(error.value)
    return str(error.value)


OTHERS = {
    "seeds.order": {"seeds": Seeds(order=1)},
    "seeds.initialisation": {"seeds": Seeds(initialisation=1)},
    "optimiser.learning_rate": {"optimiser": OptimiserConfig(batch_size=500, learning_rate=0.01)},
    "optimiser.weight_decay": {"optimiser": OptimiserConfig(batch_size=500, weight_decay=0.0)},
    "optimiser.batch_size": {"optimiser": OptimiserConfig(batch_size=600)},
    "patience": {"patience": 2},
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("file", ["last.pt", "best.pt"])
def test_a_file_of_another_run(name: str, file: str, config: RunConfig, folder: Path, tmp_path: Path) -> None:
    """Its tensors have the same shapes."""
    other: Any = OTHERS[name]
    stopped(replace(config, **other), tmp_path / "other")
    shutil.copy(tmp_path / "other" / file, folder / file)
    sentence = refusal(config, folder)
    assert f"{folder / file} is from another run ({name} is " in sentence


def test_every_difference_is_named(config: RunConfig, folder: Path) -> None:
    """Including an edited config.json: the weights follow the old settings."""
    plain = json.loads((folder / "config.json").read_text())
    plain["optimiser"]["learning_rate"] = 0.5
    plain["seeds"]["split"] = 7
    (folder / "config.json").write_text(json.dumps(plain))
    asked = refusal(config, folder)
    edited = replace(config, seeds=Seeds(split=7), optimiser=OptimiserConfig(batch_size=500, learning_rate=0.5))
    resumed = refusal(edited, folder)
    for sentence in (asked, resumed):
        assert "optimiser.learning_rate is " in sentence
        assert "; seeds.split is " in sentence
    assert f"{folder / 'last.pt'} is from another run" in resumed


def test_a_configuration_that_is_gone(config: RunConfig, folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(CollapseError, match=r"last\.pt .*config\.json"):
        Run(config, folder, "cpu").train()


def test_the_same_data_by_another_path(config: RunConfig, folder: Path, small_data: Path, tmp_path: Path) -> None:
    """It gives the same weights."""
    other = Path(shutil.copytree(small_data, tmp_path / "elsewhere"))
    moved = replace(config, data=str(other))
    Run(moved, folder, "cpu").train(resume=True)
    Run(config, tmp_path / "whole", "cpu").train()
    first, second = (load_checkpoint(path / "best.pt") for path in (folder, tmp_path / "whole"))
    assert all(torch.equal(first.state_dict[key], second.state_dict[key]) for key in first.state_dict)


def test_data_that_is_edited_in_place(config: RunConfig, tmp_path: Path) -> None:
    """A changed label leaves all ids and shapes the same."""
    data = write_small_data(tmp_path / "data", rows=1000)
    config = replace(config, data=str(data))
    folder = stopped(config, tmp_path / "run")
    labels = np.load(data / "labels.npy")
    labels[0] ^= 1
    np.save(data / "labels.npy", labels)
    with pytest.raises(CollapseError, match="has changed since it was written"):
        Run(config, folder, "cpu")


def _of_first(state: dict[str, Any], **changes: Any) -> None:
    state["optimiser"]["state"][0].update(changes)


STATES: dict[str, Change] = {
    "exp_avg is torch.float32 of shape (0,) instead of torch.float32 of shape": lambda state: _of_first(
        state, exp_avg=torch.zeros(0)
    ),
    "exp_avg_sq is torch.float64 of shape": lambda state: _of_first(
        state, exp_avg_sq=state["optimiser"]["state"][0]["exp_avg_sq"].double()
    ),
    "step is None of shape () instead of torch.float32": lambda state: _of_first(state, step=3.0),
    "tensors are not step, exp_avg, exp_avg_sq": lambda state: state["optimiser"]["state"][0].pop("exp_avg"),
    "its optimiser does not have": lambda state: state["optimiser"]["state"].pop(0),
    "its optimiser has other settings": lambda state: state["optimiser"]["param_groups"][0].update(lr=9.0),
    "Expected `int`, got `str` - at `$.epochs_done`": lambda state: state.update(epochs_done="1"),
    "Expected `int` >= 0 - at `$.steps_done`": lambda state: state.update(steps_done=-1),
    "it is at step 99 of epoch 2": lambda state: state.update(steps_done=99),
    "Expected `float` <= 1.0 - at `$.best_auc`": lambda state: state.update(best_auc=2.0),
    "its losses_sum is nan": lambda state: state.update(losses_sum=float("nan")),
    "its random is not a state of random numbers": lambda state: state.update(random=torch.zeros(3)),
    "missing required field `optimiser`": lambda state: state.pop("optimiser"),
    "its best epoch is 5, but it has 1 epoch": lambda state: state.update(best_epoch=5),
}


@pytest.mark.parametrize("sentence", STATES)
def test_a_state_of_other_shapes(sentence: str, config: RunConfig, folder: Path) -> None:
    """The fused optimiser would write past the end of a tensor that is too short."""
    last = load_checkpoint(folder / "last.pt")
    state: Any = copy.deepcopy(last.training_state)
    STATES[sentence](state)
    save_checkpoint(folder / "last.pt", replace(last, training_state=state))
    said = refusal(config, folder)
    assert "last.pt" in said
    assert sentence in said


def test_weights_of_another_type(config: RunConfig, folder: Path) -> None:
    last = load_checkpoint(folder / "last.pt")
    weights = {key: value.double() for key, value in last.state_dict.items()}
    save_checkpoint(folder / "last.pt", replace(last, state_dict=weights))
    assert "is torch.float64 of shape" in refusal(config, folder)


@pytest.mark.parametrize("content", ["", "{", "null", "[]", "7", '{"status": 3}', '{"test": null}', "\udcff"])
def test_a_damaged_manifest(content: str, config: RunConfig, folder: Path) -> None:
    (folder / "manifest.json").write_bytes(content.encode(errors="surrogateescape"))
    assert "manifest.json" in refusal(config, folder).replace("is not a JSON", "is no JSON")


def test_a_finished_manifest_without_its_test(config: RunConfig, folder: Path) -> None:
    (folder / "manifest.json").write_text('{"status": "finished"}')
    assert "`model`" in refusal(config, folder)


@pytest.mark.parametrize("content", ["", "{", "null", "[]", "7", '{"data": 3}', "\udcff", '{"epochs": "x"}'])
def test_a_damaged_configuration(content: str, config: RunConfig, folder: Path) -> None:
    (folder / "config.json").write_bytes(content.encode(errors="surrogateescape"))
    assert "config.json" in refusal(config, folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:30],
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("1,", "9,", 1),
        lambda text: text.replace(".", "x"),
        lambda text: "a,b\n1,2\n",
        lambda text: text + "2,,\n",
        lambda text: "\udcff" + text,
        lambda text: "null",
    ],
    ids=range(9),
)
def test_damaged_metrics(damage: Callable[[str], str], config: RunConfig, folder: Path) -> None:
    text = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_bytes(damage(text).encode(errors="surrogateescape"))
    assert "metrics.csv" in refusal(config, folder)


MONITORED: list[Monitor] = [AbundanceMonitor(), CoInfluenceMonitor()]


@pytest.fixture(scope="module")
def monitored(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with monitors that was stopped after an epoch."""

    def report(_: EpochResult) -> None:
        raise Enough

    folder = tmp_path_factory.mktemp("monitored")
    with pytest.raises(Enough):
        Run(config, folder, "cpu", monitors=MONITORED).train(report=report)
    return folder


def instead(path: Path, make: Callable[[Path], object]) -> None:
    """Replace a file with something else."""
    path.unlink()
    make(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "emptied": lambda path: path.write_text(""),
    "a pipe": lambda path: instead(path, os.mkfifo),
    "endless": lambda path: instead(path, lambda place: place.symlink_to("/dev/zero")),
    "a folder": lambda path: instead(path, Path.mkdir),
    "halved": lambda path: path.write_text(path.read_text()[: path.stat().st_size // 2]),
    "without its last row": lambda path: path.write_text("".join(path.read_text().splitlines(True)[:-1])),
    "edited": lambda path: path.write_text(path.read_text()[:-3] + "7\n"),
}
OF_TEXT = ("halved", "without its last row", "edited")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (name, damage)
        for name in ("abundance.csv", "co-influence.csv", "metrics.csv", "best.pt")
        for damage in DAMAGES
        if name != "best.pt" or damage not in OF_TEXT
    ],
)
def test_a_file_of_a_run_that_is_not_what_it_wrote(
    name: str, damage: str, config: RunConfig, monitored: Path, tmp_path: Path
) -> None:
    """It is refused whether or not the resumed run uses the monitor, and nothing is changed."""
    folder = Path(shutil.copytree(monitored, tmp_path / "run"))
    DAMAGES[damage](folder / name)
    before = {path.name: path.lstat().st_mtime_ns for path in folder.iterdir()}
    monitors = [] if damage == "halved" else MONITORED
    with pytest.raises(CollapseError, match=name) as refused:
        Run(config, folder, "cpu", monitors=monitors).train(resume=True)
    assert "\n" not in str(refused.value)
    del before[".lock"]
    assert before == {path.name: path.lstat().st_mtime_ns for path in folder.iterdir() if path.name != ".lock"}


def test_a_run_that_is_whole_goes_on_as_if_it_had_not_stopped(
    config: RunConfig, monitored: Path, tmp_path: Path
) -> None:
    """Its tables equal those of an uninterrupted run, and a monitor that is added later starts then."""
    folder = Path(shutil.copytree(monitored, tmp_path / "run"))
    Run(config, folder, "cpu", monitors=MONITORED).train(resume=True)
    Run(config, tmp_path / "whole", "cpu", monitors=MONITORED).train()
    for name in ("abundance.csv", "co-influence.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    added = Path(shutil.copytree(monitored, tmp_path / "added"))
    Run(config, added, "cpu", monitors=[*MONITORED, PatternsMonitor()]).train(resume=True)
    assert [row["epoch"] for row in read_rows(added / "patterns.csv")] == ["2", "3"]


def test_a_best_epoch_that_comes_out_differently(config: RunConfig, tmp_path: Path) -> None:
    """For example on a GPU: the best epoch is saved, then trained again with other numbers.

    The tested weights are reported.
    """
    folder = stopped(config, tmp_path / "run", 1)
    saved = load_checkpoint(folder / "best.pt")
    # The best of epoch 2 was saved, the state of it was not.
    ahead = {**saved.results, "epoch": 2, "validation_auc": 0.999}
    save_checkpoint(folder / "best.pt", replace(saved, results=ahead))
    content = (folder / "best.pt").read_bytes()
    result = Run(config, folder, "cpu").train(resume=True)
    assert (folder / "best.pt").read_bytes() == content
    assert (result.best_epoch, result.validation.auc) == (2, 0.999)
    assert json.loads((folder / "manifest.json").read_text())["best_epoch"] == 2
