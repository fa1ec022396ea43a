"""A run: its folder, its stopping rule, its repeatability, and continuing after a kill at any moment."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from collapse.errors import CollapseError
from collapse.files.json_file import write_json
from collapse.io.checkpoint.file import load_checkpoint
from collapse.training.models.registry import model_config
from collapse.training.runs.config import OptimiserConfig, RunConfig, Seeds
from collapse.training.runs.loop import EpochResult, Trainer
from collapse.training.runs.machine import tf32_products
from collapse.training.runs.metrics import Evaluation
from collapse.training.runs.progress import RunStopped
from collapse.training.runs.run import Run
from tests.small_data import write_small_data

Outcome = tuple[bytes, bytes, list[dict[str, str]], dict[str, Any]]


@pytest.fixture
def config(small_data: Path) -> RunConfig:
    """Return a run of a few short epochs."""
    model = model_config(embedding_size=4, sets=2, hidden=32)
    optimiser = OptimiserConfig(batch_size=256, learning_rate=0.01)
    return RunConfig(data=str(small_data), model=model, optimiser=optimiser, epochs=3)


def train(config: RunConfig, folder: Path, **options: Any) -> Outcome:
    Run(config, folder, "cpu", keep_last=True).train(**options)
    return outcome(folder)


def outcome(folder: Path) -> Outcome:
    """Return the results of a run, without timings."""
    with (folder / "metrics.csv").open() as file:
        rows = [
            {k: v for k, v in row.items() if k not in ("seconds", "rows_per_second")}
            for row in csv.DictReader(file)
        ]
    manifest = json.loads((folder / "manifest.json").read_text())
    for timing in ("rows_per_second", "seconds_since_start_or_resume", "peak_memory"):
        del manifest[timing]
    return (folder / "best.pt").read_bytes(), (folder / "last.pt").read_bytes(), rows, manifest


def test_the_same_configuration_gives_the_same_bytes(config: RunConfig, tmp_path: Path) -> None:
    assert train(config, tmp_path / "a") == train(config, tmp_path / "b")


@pytest.mark.parametrize("seeds", [Seeds(split=1), Seeds(initialisation=1), Seeds(order=1)])
def test_each_seed_changes_the_result(config: RunConfig, seeds: Seeds, tmp_path: Path) -> None:
    config = replace(config, epochs=1)
    _, _, base, _ = train(config, tmp_path / "a")
    _, _, other, _ = train(replace(config, seeds=seeds), tmp_path / "b")
    assert base[0]["train_loss"] != other[0]["train_loss"]


def test_bf16_products_change_little_and_the_weights_stay_float32(config: RunConfig, tmp_path: Path) -> None:
    """After one epoch the loss equals that of float32 up to bfloat16's precision, but not exactly."""
    config = replace(config, epochs=1)
    _, _, exact, _ = train(config, tmp_path / "float32")
    Run(replace(config, precision="bf16"), tmp_path / "bf16", "cpu", force=True, keep_last=True).train()
    _, _, rough, _ = outcome(tmp_path / "bf16")
    assert rough[0]["train_loss"] != exact[0]["train_loss"]
    assert float(rough[0]["train_loss"]) == pytest.approx(float(exact[0]["train_loss"]), rel=0.02)
    state = load_checkpoint(tmp_path / "bf16" / "best.pt").state_dict
    assert {tensor.dtype for tensor in state.values() if tensor.is_floating_point()} == {torch.float32}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")
def test_a_compiled_model_trains_alike(config: RunConfig, tmp_path: Path) -> None:
    """It runs in a separate process, because the compiler warns, and without dropout, whose masks differ.

    Its kernels round differently on each processor, and an AUC of few rows moves in steps.
    """
    config = replace(config, epochs=1, model=model_config(embedding_size=4, sets=2, hidden=32, dropout=0.0))
    _, _, [exact], _ = train(config, tmp_path / "eager")
    (tmp_path / "compiled.json").write_text(json.dumps(replace(config, compiled=True).as_dict()))
    words = [
        "train",
        "--config",
        str(tmp_path / "compiled.json"),
        "--monitor",
        "none",
        "--keep-last",
        "--out",
        str(tmp_path / "c"),
    ]
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-m", "collapse", *words], env=environment, capture_output=True, check=True)
    weights, _, [found], _ = outcome(tmp_path / "c")
    assert weights != (tmp_path / "eager" / "best.pt").read_bytes()
    for name in ("train_loss", "validation_logloss"):
        assert float(found[name]) == pytest.approx(float(exact[name]), rel=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_a_gpu_trains_alike_and_resumes(
    precision: Literal["float32", "tf32", "bf16"], compiled: bool, config: RunConfig, tmp_path: Path
) -> None:
    config = replace(config, epochs=2, precision=precision, compiled=compiled)
    _, _, on_cpu, _ = train(replace(config, precision="float32", compiled=False), tmp_path / "cpu")
    Run(config, tmp_path / "cuda", "cuda", keep_last=True).train()
    _, _, rows, manifest = outcome(tmp_path / "cuda")
    assert manifest["device"] == "cuda"
    assert float(rows[0]["train_loss"]) == pytest.approx(float(on_cpu[0]["train_loss"]), rel=0.05)
    assert Run(config, tmp_path / "cuda", "cuda").train(resume=True).already


def test_the_folder_holds_what_is_promised(config: RunConfig, tmp_path: Path) -> None:
    told: list[EpochResult] = []
    _, _, rows, manifest = train(config, tmp_path, report=told.append)
    assert {"config.json", "metrics.csv", "best.pt", "last.pt", "manifest.json"} <= {
        p.name for p in tmp_path.iterdir()
    }
    assert [row["epoch"] for row in rows] == [str(result.epoch) for result in told]
    assert manifest["status"] == "finished"
    assert manifest["data"]["rows"] == {"train": 2400, "validation": 300, "test": 300}
    best = max(told, key=lambda result: result.validation_auc)
    assert manifest["best_epoch"] == best.epoch
    assert manifest["validation"] == {"auc": best.validation_auc, "logloss": best.validation_logloss}
    assert 0.6 < manifest["test"]["auc"] < 1


def test_it_stops_after_patience_epochs_without_a_better_auc(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.6, 0.7, 0.7, 0.69, 0.65, 0.9])
    real = Trainer.train_epoch

    def scripted(trainer: Trainer, after_step: Callable[[], None]) -> EpochResult:
        score = next(scores)
        monkeypatch.setattr(
            "collapse.training.runs.loop.evaluate",
            lambda *_, **__: Evaluation(auc=score, logloss=0.5),
        )
        return real(trainer, after_step)

    monkeypatch.setattr(Trainer, "train_epoch", scripted)
    _, _, rows, manifest = train(replace(config, epochs=50), tmp_path)
    assert [float(row["validation_auc"]) for row in rows] == [0.6, 0.7, 0.7, 0.69, 0.65]
    assert manifest["best_epoch"] == 2


class TestGoingOn:
    """Killed at any moment and resumed, a run gives the same result."""

    def test_killed_around_every_file_that_it_writes(
        self, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before and after every write of a run."""
        config = replace(config, epochs=2)
        whole = train(config, tmp_path / "whole")
        replace_path = Path.replace
        calls, kill_at, after = 0, 0, False

        class Killed(BaseException):
            """An exception that no handler expects, like a kill."""

        def dying(path: Path, target: Path) -> Path:
            nonlocal calls
            calls += 1
            if calls == kill_at and not after:
                raise Killed
            result = replace_path(path, target)
            if calls == kill_at:
                raise Killed
            return result

        for kill_at in range(1, 10):
            for after in (False, True):
                folder = tmp_path / f"{kill_at}{after}"
                calls = 0
                with monkeypatch.context() as patch:
                    patch.setattr(Path, "replace", dying)
                    with pytest.raises(Killed):
                        train(config, folder)
                resume = (folder / "config.json").exists()
                assert train(config, folder, resume=resume) == whole
                assert not list(folder.glob("*.partial"))

    @pytest.mark.kills
    def test_killed_outright(self, config: RunConfig, tmp_path: Path) -> None:
        """With SIGKILL in the middle of an epoch, twice, then to the end."""
        config = replace(config, epochs=6)
        whole = train(config, tmp_path / "whole")
        folder = tmp_path / "killed"
        folder.mkdir()
        write_json(folder / "config.json", config.as_dict())
        command = [
            sys.executable,
            "-m",
            "collapse",
            "train",
            "--resume",
            "--monitor",
            "none",
            "--keep-last",
            "--out",
            str(folder),
        ]
        for epochs_before_the_kill in (1, 3):
            self.kill_after(epochs_before_the_kill, command, folder)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "test AUC" in done.stdout
        assert outcome(folder) == whole

    def kill_after(self, epochs: int, command: list[str], folder: Path) -> None:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None:
                metrics = folder / "metrics.csv"
                if metrics.exists() and len(metrics.read_text().splitlines()) > epochs:
                    process.send_signal(signal.SIGKILL)
                time.sleep(0.001)
        assert process.returncode == -signal.SIGKILL

    @pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
    def test_asked_to_stop(self, signal_number: int, config: RunConfig, tmp_path: Path) -> None:
        """Between two steps of an epoch: the state is saved, and no step is repeated."""
        whole = train(config, tmp_path / "whole")
        folder = tmp_path / "stopped"

        def stop(result: EpochResult) -> None:
            if result.epoch == 2:
                os.kill(os.getpid(), signal_number)

        with pytest.raises(RunStopped, match="collapse train --resume --out") as stopped:
            train(config, folder, report=stop)
        assert stopped.value.exit_code == 128 + signal_number
        state = load_checkpoint(folder / "last.pt").training_state
        assert state is not None
        assert (state["epochs_done"], state["steps_done"]) == (2, 1)
        assert train(config, folder, resume=True) == whole

    def test_a_finished_run_is_not_trained_again(self, config: RunConfig, tmp_path: Path) -> None:
        train(config, tmp_path)
        stamp = (tmp_path / "last.pt").stat().st_mtime_ns
        assert Run(config, tmp_path, "cpu").train().already
        assert (tmp_path / "last.pt").stat().st_mtime_ns == stamp


def test_a_finished_run_drops_its_last_state(config: RunConfig, tmp_path: Path) -> None:
    """It has nothing to resume, and everything else is the same."""
    result = Run(config, tmp_path / "a", "cpu").train()
    assert not (tmp_path / "a" / "last.pt").exists()
    again = Run(config, tmp_path / "a", "cpu").train(resume=True)
    assert again.already
    assert replace(again, already=False) == result
    whole = train(config, tmp_path / "b")
    assert (tmp_path / "a" / "best.pt").read_bytes() == whole[0]
    (tmp_path / "a" / "manifest.json").unlink()
    with pytest.raises(CollapseError, match="has best.pt, but neither last.pt nor the results"):
        Run(config, tmp_path / "a", "cpu").train(resume=True)
    assert (tmp_path / "a" / "best.pt").read_bytes() == whole[0]


class TestRefusals:
    """Each is one sentence, and existing files stay."""

    def refused(self, config: RunConfig, folder: Path, sentence: str, **options: Any) -> None:
        with pytest.raises(CollapseError, match=sentence):
            train(config, folder, **options)

    def test_nothing_to_resume(self, config: RunConfig, tmp_path: Path) -> None:
        self.refused(config, tmp_path / "none", "resume", resume=True)
        assert not (tmp_path / "none").exists()

    def test_bf16_where_it_is_slower(
        self, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A measurement decides, and `force` overrides it."""
        seconds = {torch.bfloat16: 3.6, torch.float32: 0.2}
        monkeypatch.setattr("collapse.training.runs.machine._product_seconds", seconds.__getitem__)
        config = replace(config, precision="bf16", epochs=1)
        self.refused(config, tmp_path / "run", "18.0 times .*--force")
        assert not (tmp_path / "run").exists()
        Run(config, tmp_path / "run", "cpu", force=True).train()
        seconds[torch.bfloat16] = 0.1
        Run(config, tmp_path / "fast", "cpu").train()

    def test_tf32_where_there_is_none(self, config: RunConfig, tmp_path: Path) -> None:
        self.refused(replace(config, precision="tf32"), tmp_path / "run", "tf32")
        assert not (tmp_path / "run").exists()
        before = torch.backends.cuda.matmul.allow_tf32
        with tf32_products(enabled=True):
            assert torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cuda.matmul.allow_tf32 is before

    def test_a_last_checkpoint_of_something_else(self, config: RunConfig, tmp_path: Path) -> None:
        train(config, tmp_path)
        (tmp_path / "manifest.json").unlink()
        (tmp_path / "last.pt").write_bytes((tmp_path / "best.pt").read_bytes())
        self.refused(config, tmp_path, "last.pt", resume=True)

    def test_metrics_that_are_gone(self, config: RunConfig, tmp_path: Path) -> None:
        train(config, tmp_path)
        (tmp_path / "manifest.json").unlink()
        (tmp_path / "metrics.csv").unlink()
        self.refused(config, tmp_path, "metrics.csv .*last.pt", resume=True)

    def test_an_unfinished_run_is_not_started_anew(self, config: RunConfig, tmp_path: Path) -> None:
        write_json(tmp_path / "config.json", config.as_dict())
        self.refused(config, tmp_path, "--resume")

    def test_other_settings(self, config: RunConfig, tmp_path: Path) -> None:
        write_json(tmp_path / "config.json", config.as_dict())
        other = replace(config, seeds=Seeds(order=5))
        self.refused(other, tmp_path, r"seeds.order", resume=True)

    def test_a_vocabulary_that_has_changed(self, config: RunConfig, tmp_path: Path) -> None:
        data = write_small_data(tmp_path / "data", rows=1000)
        config = replace(config, data=str(data), epochs=1)
        train(config, tmp_path / "run")
        write_small_data(tmp_path / "new", rows=1000, seed=1)
        data.rename(tmp_path / "old")
        (tmp_path / "new").rename(data)
        self.refused(config, tmp_path / "run", "changed")

    def test_a_loss_that_is_not_finite(self, config: RunConfig, tmp_path: Path) -> None:
        """The step is named, and the diverged state is not saved."""
        wild = replace(config, optimiser=OptimiserConfig(learning_rate=1e38, batch_size=256))
        self.refused(wild, tmp_path, r"loss is (nan|inf) at step \d+ of epoch 1, .*learning rate")
        assert not list(tmp_path.glob("*.pt"))

    def test_a_split_without_both_labels(
        self, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("collapse.training.data.store.prepared.verify_prepared", lambda _: None)
        data = write_small_data(tmp_path / "data", rows=301)
        labels = data / "labels.npy"
        content = bytearray(labels.read_bytes())
        content[-301:] = bytes(301)
        labels.write_bytes(content)
        self.refused(replace(config, data=str(data)), tmp_path / "run", "train .*only one label")

    def test_a_folder_that_cannot_be_made(self, config: RunConfig, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        self.refused(config, tmp_path / "file" / "run", "not a directory")

    def test_two_at_once(self, config: RunConfig, tmp_path: Path) -> None:
        with Run(config, tmp_path, "cpu").folder.owned():
            self.refused(config, tmp_path, "another process")

    def test_no_such_device(self, config: RunConfig, tmp_path: Path) -> None:
        with pytest.raises(CollapseError, match="--device must be .* got toaster"):
            Run(config, tmp_path, "toaster")

    def test_a_full_disk(self, config: RunConfig, tmp_path: Path) -> None:
        """With a real limit on file sizes, the last good state stays, and the run continues when there is room."""
        whole = train(replace(config, epochs=2), tmp_path / "whole")
        folder = tmp_path / "full"
        folder.mkdir()
        write_json(folder / "config.json", replace(config, epochs=2).as_dict())
        script = (
            "import resource, sys; sys.dont_write_bytecode = True;"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, -1));"
            "sys.argv = ['collapse', 'train', '--resume', '--out', sys.argv[1]];"
            "from collapse.cli import main; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "best.pt: file too large" in done.stderr
        assert done.stderr.count("\n") == 1
        assert not list(folder.glob("*.pt")) + list(folder.glob(".*.partial"))
        assert train(replace(config, epochs=2), folder, resume=True) == whole
