"""Sweeps on engines for several machines, each run on a real cluster on this machine."""

import gc
import os
import subprocess
import sys
import time
import warnings
from concurrent.futures import wait
from pathlib import Path

import psutil
import pytest

from collapse.errors import CollapseError
from collapse.study.engines import Engine, open_executor
from collapse.study.study import Study
from collapse.study.submitit_executor import SubmititExecutor
from tests.conftest import Collapse

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[1]


@pytest.fixture
def grid(small_data: Path, tmp_path: Path) -> Path:
    """Return a grid of three runs, one of which diverges."""
    path = tmp_path / "grid.toml"
    path.write_text(
        f"data = '{small_data}'\nepochs = 2\n[model]\nmodel = 'fm-2'\n"
        "[optimiser]\nlearning_rate = [0.001, 0.01, 1e38]\n"
    )
    return path


@pytest.mark.parametrize("words", [["dask"], ["submitit", "-e", "cluster=local"]], ids=["dask", "submitit"])
def test_a_sweep(words: list[str], grid: Path, tmp_path: Path) -> None:
    """A failed run is reported with its reason, and a finished one is not trained again."""
    study = tmp_path / "study"
    command = [
        sys.executable,
        *f"-m collapse sweep --config {grid} --out {study} --jobs 2 --engine".split(),
        *words,
    ]
    for reason in ("the training loss is", "run has diverged"):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "1 of " in done.stderr
        assert reason in done.stderr
        assert "Traceback" not in done.stderr
    assert "1 of them to train" in done.stdout
    assert sorted(Study(study).results["label"]) == ["fm-2,epochs=2", "fm-2,epochs=2,learning_rate=0.01"]


def test_a_job_that_dies_is_submitted_again_and_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long submitit waits for a result that a slow network drive may still show.
    monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 1)
    executor = SubmititExecutor(tmp_path / "%j", cluster="local")
    marker = tmp_path / "died"
    once, always = executor.submit(_die_once, str(marker)), executor.submit(os.abort)
    assert wait([once, always], timeout=120).not_done == set()
    assert once.result() == "went on"
    with pytest.raises(CollapseError, match="3 times"):
        always.result()
    executor.shutdown()


def test_what_a_job_raises_comes_back_whole(tmp_path: Path) -> None:
    executor = SubmititExecutor(tmp_path / "%j", cluster="local")
    future = executor.submit(_refuse, "a reason")
    with pytest.raises(CollapseError, match="^a reason$"):
        future.result(timeout=60)
    executor.shutdown()


def test_jobs_are_cancelled(tmp_path: Path) -> None:
    executor = SubmititExecutor(tmp_path / "%j", cluster="local")
    executor.submit(_wait_for_ever, str(tmp_path / "process"))
    while not (tmp_path / "process").exists():
        time.sleep(0.05)
    job = psutil.Process(int((tmp_path / "process").read_text()))
    executor.shutdown(wait=False, cancel_futures=True)
    gone, _ = psutil.wait_procs([job], timeout=30)
    assert gone
    # submitit does not ask how a cancelled job ended, and its process complains of that when it is collected.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del executor
        gc.collect()


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        ("processes", {"address": "x"}, "processes .*'address'"),
        ("dask", {"place": "x"}, "dask .*'place'"),
        ("submitit", {"cluster": "moon"}, "submitit: .*moon"),
        ("submitit", {"cluster": "local", "speed": "9"}, "submitit: .*speed"),
    ],
)
def test_options_that_an_engine_does_not_know(
    kind: Engine, options: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(CollapseError, match=sentence),
        open_executor(kind, options, jobs=1, folder=tmp_path) as executor,
    ):
        executor()


def test_an_engine_that_is_not_there(
    grid: Path, tmp_path: Path, collapse: Collapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("sweep", "--config", grid, "--out", tmp_path / "study", "--engine", "dask")
    code, _, err = collapse(*words, "-e", "address")
    assert (code, "not of the form KEY=VALUE" in err) == (2, True)
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = collapse(*words)
    assert (code, "pip install 'embedding-collapse[dask]'" in err) == (2, True)


def _die_once(marker: str) -> str:
    path = Path(marker)
    if path.exists():
        return "went on"
    path.touch()
    os.abort()


def _refuse(reason: str) -> None:
    raise CollapseError(reason)


def _wait_for_ever(marker: str) -> None:
    Path(f"{marker}.partial").write_text(str(os.getpid()))
    Path(f"{marker}.partial").rename(marker)
    time.sleep(3600)
