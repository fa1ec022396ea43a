"""Recipes, and sweeps of their runs: skipped, continued, failed, killed, shared."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from collapse.errors import CollapseError
from collapse.paper.catalogue import CATALOGUE, runs_of
from collapse.paper.profiles import PROFILES, Profile, profile_of
from collapse.study import sweep as sweep_module
from collapse.study.execute import execute, folder_name
from collapse.study.processes import process_pool
from collapse.study.study import Study
from collapse.study.sweep import Outcome, plan, sweep
from collapse.training.models.registry import model_config
from collapse.training.runs.config import OptimiserConfig, RunConfig, Seeds
from collapse.training.runs.folder import RunFolder
from collapse.training.runs.progress import RunStopped
from tests.conftest import Collapse

ROOT = Path(__file__).parents[1]


class TestRecipes:
    @pytest.mark.parametrize("name", PROFILES)
    def test_table_1_is_every_model_at_every_size(self, name: str) -> None:
        profile = PROFILES[name]
        runs = CATALOGUE["table-1"].runs(profile)
        sizes_each = 2 * len(profile.multiples) - 1
        expected = len(profile.models) * sizes_each * profile.repeats * len(profile.data)
        assert len(runs) == len(set(runs)) == expected
        for model in profile.models:
            of_model = [run for run in runs if run.model.model == model and run.seeds == Seeds()]
            sizes = {(run.model.embedding_size, run.model.sets) for run in of_model if run.data == profile.data[0]}
            base = profile.single(model).embedding_size
            single = {(base * factor, 1) for factor in profile.multiples}
            assert sizes == single | {(base, sets) for sets in profile.multiples}

    def test_the_papers_sizes(self) -> None:
        paper = PROFILES["paper"]
        assert paper.single("nfwfm", 10).name == "nfwfm-500"
        assert paper.multi("dcnv2", 10).name == "dcnv2-10x10"
        assert paper.single("ffm").name == "ffm-8"
        assert CATALOGUE["15"].runs(paper)[0].model.embedding_size == 5
        assert [run.model.embedding_size for run in CATALOGUE["1b"].runs(paper)] == [10, 20, 30, 40, 100]
        assert all(run.optimiser == OptimiserConfig() for run in runs_of(["all"], paper))

    def test_runs_that_several_items_need_are_there_once(self) -> None:
        profile = PROFILES["smoke"]
        runs = runs_of(["8a", "1a", "table-1", "table-5", "12"], profile)
        assert len(runs) == len(set(runs)) == 6 * 5 * len(profile.data)
        assert set(runs_of(["all"], profile)) == {
            run for recipe in CATALOGUE.values() for run in recipe.runs(profile)
        }

    def test_shares_of_table_2(self) -> None:
        runs = CATALOGUE["table-2"].runs(PROFILES["paper"])
        assert sorted({run.train_share for run in runs}) == [0.01, 0.03, 0.1, 0.3, 1.0]
        assert len(runs) == 5 * 9

    def test_what_is_not_there(self) -> None:
        with pytest.raises(CollapseError, match="'8c'.* 1a, 1b"):
            runs_of(["8c"], PROFILES["smoke"])
        with pytest.raises(CollapseError, match="'tiny'.* smoke, small, flights, paper"):
            profile_of("tiny")
        with pytest.raises(CollapseError, match="repeats must be at least 1"):
            profile_of("smoke", repeats=0)


def small(data: Path, **options: object) -> RunConfig:
    of = {"data": str(data), "model": model_config("fm-2"), "epochs": 1} | options
    return RunConfig(**of)  # type: ignore[arg-type]


def configs(data: Path, count: int = 3) -> list[RunConfig]:
    return [small(data, seeds=Seeds(initialisation=seed)) for seed in range(count)]


def in_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


class TestSweep:
    def test_finished_runs_are_skipped_and_others_go_on(self, small_data: Path, tmp_path: Path) -> None:
        runs = plan(configs(small_data), tmp_path)
        assert [run.state for run in runs] == ["missing"] * 3
        execute(runs[1].config.as_dict(), str(runs[1].path), device="cpu")
        assert runs[1].state == "finished"
        found = list(sweep(runs, in_threads, device="cpu"))
        assert [outcome.run for outcome in found] == [runs[0], runs[2]]
        assert [run.state for run in runs] == ["finished"] * 3
        assert list(sweep(runs, in_threads)) == []
        assert len(Study(tmp_path).finished) == 3

    def test_a_failed_run_does_not_stop_the_others(self, small_data: Path, tmp_path: Path) -> None:
        bad = small(small_data, optimiser=OptimiserConfig(learning_rate=1e38))
        runs = plan([bad, *configs(small_data, 1)], tmp_path)
        first, second = sweep(runs, in_threads, device="cpu")
        assert first.result is None
        assert "diverged" in first.reason
        assert second.result is not None
        assert 0 < second.result["test_auc"] < 1

    def test_a_run_that_another_trains_is_waited_for(
        self, small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runs, slept = plan(configs(small_data, 2), tmp_path), []
        held = RunFolder(runs[0].path).owned()
        held.__enter__()

        def sleep(_: float) -> None:
            slept.append(1)
            held.__exit__(None, None, None)

        monkeypatch.setattr(time, "sleep", sleep)
        found = list(sweep(runs, in_threads, device="cpu"))
        assert [outcome.run for outcome in found] == [runs[1], runs[0]]
        assert slept == [1]

    @pytest.mark.slow
    def test_a_process_that_dies_takes_no_other_run_along(self, small_data: Path, tmp_path: Path) -> None:
        deadly = RunConfig(data=str(small_data), model=model_config("fm-2"), epochs=1)
        runs = plan([deadly, *configs(small_data, 3)[1:]], tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sweep_module, "execute", Deadly(str(runs[0].path)))
            found = list(sweep(runs, lambda: process_pool(2), at_once=2, device="cpu", threads=1))
        by_run = {outcome.run.path: outcome for outcome in found}
        assert len(by_run) == len(found) == 3
        assert by_run[runs[0].path].reason == "its process died: it was killed, or out of memory"
        assert all(by_run[run.path].result is not None for run in runs[1:])

    def test_a_stop_comes_back_whole_from_a_process(self, tmp_path: Path) -> None:
        import pickle

        stopped = pickle.loads(pickle.dumps(RunStopped(tmp_path, 15)))
        assert str(stopped) == str(RunStopped(tmp_path, 15))
        assert stopped.exit_code == 143

    def test_any_error_is_a_reason(
        self, small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("by nothing")

        monkeypatch.setattr(sweep_module, "execute", broken)
        [found] = sweep(plan(configs(small_data, 1), tmp_path), in_threads)
        assert found == replace(found, result=None, reason="ZeroDivisionError: by nothing")
        assert isinstance(found, Outcome)


class Deadly:
    """Executes runs, but kills the process for one of them."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, config: dict[str, object], folder: str, **options: object) -> dict[str, object]:
        if folder == self.folder:
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(config, folder, **options)  # type: ignore[arg-type]


PROFILE = Profile(name="test", content="", data=("set here",), base_size=2, epochs=1)


@pytest.fixture
def tiny(small_data: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Add a profile for the small data set."""
    profile = replace(PROFILE, data=(str(small_data),))
    monkeypatch.setitem(PROFILES, "test", profile)
    return profile


class TestCommand:
    @pytest.mark.slow
    def test_from_a_dry_run_to_finished(self, tiny: Profile, tmp_path: Path, collapse: Collapse) -> None:
        words = ("sweep", "8b", "10b", "--profile", "test", "--out", tmp_path / "study", "--jobs", 2)
        code, out, err = collapse(*words, "--dry-run")
        assert (code, err) == (0, "")
        assert [line.split()[0] for line in out.splitlines()] == ["missing"] * 3 + ["3", "next:"]
        assert "3 runs, 3 of them to train" in out
        assert not (tmp_path / "study").exists()
        code, out, err = collapse(*words)
        assert code == 0, err
        assert "[3/3]" in out
        assert out.count("test AUC") == 3
        code, out, err = collapse(*words)
        assert (code, err) == (0, "")
        assert "3 runs, 0 of them to train" in out
        assert sorted(Study(tmp_path / "study").results["name"]) == ["dcnv2-20", "dcnv2-2x10", "dcnv2-2x4"]

    @pytest.mark.slow
    def test_a_failed_run_is_told_at_the_end(
        self, tiny: Profile, tmp_path: Path, collapse: Collapse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "study"
        [run] = CATALOGUE["2"].runs(tiny)
        path = folder / folder_name(run)
        path.mkdir(parents=True)
        (path / "config.json").write_text("{}")
        code, out, err = collapse("sweep", "2", "10b", "--profile", "test", "--out", folder, "--jobs", 1)
        assert code == 1
        assert "1 of 2 runs failed:" in err
        assert str(path / "config.json") in err
        assert "[2/2]" in out

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["99"], "'99'"),
            (["2", "--profile", "tiny"], "'tiny'"),
            (["13", "--data", "flights:0.05"], "--data"),
            (["2", "--data", "data/shop"], "'data/shop' is not prepared, and its size is unknown"),
        ],
    )
    def test_bad_input(
        self, words: list[str], sentence: str, collapse: Collapse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        code, out, err = collapse("sweep", *words, "--dry-run")
        assert (code, out) == (2, "")
        assert sentence in err


def begun(folder: Path) -> int:
    return len(list(folder.glob("*/last.pt")))


def the_command(small_data: Path, out: Path) -> list[str]:
    # With the state of finished runs, so that a test that looks for a saved state finds that of a short run, too.
    words = [sys.executable, "-m", "collapse", "sweep", "10b", "14", "11", "--profile", "smoke", "--jobs", "2"]
    words.append("--keep-last")
    return [*words, "--data", str(small_data), "--base-size", "2", "--out", str(out)]


@pytest.fixture(scope="module")
def undisturbed(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    out = tmp_path_factory.mktemp("sweep") / "study"
    subprocess.run(the_command(small_data, out), cwd=ROOT, check=True, capture_output=True)
    return Study(out)


@pytest.mark.kills
def test_killed_at_any_moment_and_gone_on_with(small_data: Path, undisturbed: Study, tmp_path: Path) -> None:
    """Stopped in the middle three times, with no process left, it ends with the same numbers."""
    folder = tmp_path / "study"
    words = the_command(small_data, folder)
    for kill in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        start, deadline = time.time(), time.monotonic() + 60
        running = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while not saved_since(folder, start) and time.monotonic() < deadline and running.poll() is None:
            time.sleep(0.02)
        running.send_signal(kill)
        _, err = running.communicate(timeout=60)  # Ends when the last process that holds its standard error does.
        assert running.returncode == (-signal.SIGKILL if kill == signal.SIGKILL else 130), err
        if kill != signal.SIGKILL:
            assert b"stopped; the runs in progress are saved" in err
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = [study.results.sort_values("name") for study in (Study(folder), undisturbed)]
    assert len(results[0]) == 3
    assert np.array_equal(results[0]["test_auc"], results[1]["test_auc"])


def saved_since(folder: Path, start: float) -> bool:
    """Return whether a run of a study has saved its state since a time."""
    return any(path.stat().st_mtime > start for path in folder.glob("*/last.pt"))


@pytest.mark.kills
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_does_not_wait_for_the_runs_in_progress(kill: signal.Signals, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "collapse", "sweep", "2", "--data", "flights:0.1", "--out", str(tmp_path)]
    running = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*/abundance.csv")) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(kill)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 130
    assert b"stopped; the runs in progress are saved. 1 run is left" in err
    [manifest] = tmp_path.glob("*/manifest.json")
    assert json.loads(manifest.read_text())["status"] == "unfinished"
    assert begun(tmp_path) == 1


class Busy:
    """Pretends to train: remembers the devices, and how many runs were on one at the same time."""

    def __init__(self) -> None:
        self.on: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.runs: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, config: dict[str, object], folder: str, *, device: str, **_: object) -> dict[str, object]:
        with self.lock:
            self.on[device] += 1
            self.most[device] = max(self.most[device], self.on[device])
            self.runs.append(device)
        time.sleep(0.02)
        with self.lock:
            self.on[device] -= 1
        return {"already": False, "seconds": 0.02, "test_auc": 0.5, "rows_per_second": 1.0}


def test_every_device_has_one_run_at_a_time(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Busy()
    monkeypatch.setattr(sweep_module, "execute", busy)
    devices = ["cuda:0", "cuda:1", "cuda:3"]
    runs = plan(configs(small_data, 9), tmp_path)
    assert len(list(sweep(runs, lambda: ThreadPoolExecutor(8), devices=devices))) == 9
    assert set(busy.runs) == set(devices)
    assert set(busy.most.values()) == {1}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--devices", "0,x"], "different numbers of GPUs"),
        (["--devices", "0,0"], "different numbers of GPUs"),
        (["--devices", "0", "--jobs", "2"], "--devices excludes --device and --jobs"),
        (["--devices", "0", "--engine", "submitit"], "gpus_per_node=1"),
        (["--devices", "0,1"], "no GPU" if not torch.cuda.is_available() else ""),
    ],
)
def test_bad_devices(words: list[str], said: str, small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
    code, _, err = collapse("sweep", "10b", "--data", small_data, "--out", tmp_path / "s", *words)
    assert said in err
    assert code == 2 or torch.cuda.device_count() > 1


class TestDoctor:
    def test_what_it_says(self, collapse: Collapse) -> None:
        code, out, err = collapse("doctor", "--device", "cpu", "--seconds", 0.2)
        assert code == 0, err
        assert "rows/s of DCNv2 with K = 10 at Criteo's shape; plans expect" in out
        found = json.loads(collapse("doctor", "--device", "cpu", "--no-rate", "--json")[1])
        assert found["device"] == "cpu"
        assert found["versions"]["torch"] == torch.__version__
        assert found["free_memory"] > 0
        assert found["extras"]["train"]
        assert "rows_per_second" not in found

    def test_a_device_that_is_not_there(self, collapse: Collapse) -> None:
        assert collapse("doctor", "--device", "toaster")[0] == 2
