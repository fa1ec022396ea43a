"""One training run: from a configuration to the best checkpoint and its test results, resumable at any moment."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from collapse.errors import CollapseError
from collapse.files.json_file import write_json
from collapse.io.checkpoint.file import load_checkpoint
from collapse.io.checkpoint.schema import Checkpoint
from collapse.limits import refuse_beyond_memory
from collapse.training.data.load import load_data
from collapse.training.data.store.prepared import PreparedData
from collapse.training.data.store.row_counts import training_row_counts
from collapse.training.data.store.split import Split, nested_subset, split_of
from collapse.training.models.size import model_bytes, table_bytes
from collapse.training.runs.config import RunConfig
from collapse.training.runs.evaluate import predict
from collapse.training.runs.folder import RunFolder, RunResult
from collapse.training.runs.interrupt import StopRequest, stop_requests
from collapse.training.runs.loop import EpochResult, Trainer
from collapse.training.runs.machine import (
    fast_float32_products,
    largest_product,
    refuse_missing_tf32,
    refuse_slow_bf16,
    tf32_products,
    torch_device,
    versions,
)
from collapse.training.runs.memory import PeakMemory
from collapse.training.runs.metrics import Evaluation
from collapse.training.runs.monitor import Monitor, Monitoring
from collapse.training.runs.progress import Progress, described
from collapse.training.runs.state import check_same_run, differences
from collapse.training.runs.tensorboard import check_tensorboard

_WATCHED = 4096
"""Validation rows that monitors of the layers' outputs look at."""


class Run:
    """A training run with its folder.

    Parameters
    ----------
    config : RunConfig
        Configuration of the run.
    folder : Path
        Folder of the run, which is created if needed.
    device : str
        ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.
    force : bool
        Train in bf16 even if it is slower than float32.
    monitors : sequence of Monitor
        Monitors, which measure at the start and after every epoch.
    monitor_every : int, optional
        Also let the monitors measure after every so many steps.
    tensorboard : bool
        Also write metrics and the monitors' columns for TensorBoard.
    keep_last : bool
        Keep ``last.pt``, the state for resuming, when the run is finished. It is three times as large as the best
        checkpoint, and a finished run does not need it.

    Raises
    ------
    CollapseError
        If the data cannot be opened or is too small to split, the device does not exist, or bf16 is slower on it.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: Path,
        device: str = "auto",
        *,
        force: bool = False,
        monitors: Sequence[Monitor] = (),
        monitor_every: int | None = None,
        tensorboard: bool = False,
        keep_last: bool = False,
    ) -> None:
        self.config, self._keep_last = config, keep_last
        self._monitors, self._monitor_every, self._tensorboard = monitors, monitor_every, tensorboard
        if tensorboard:
            check_tensorboard()
        self.folder = RunFolder(folder)
        self.device = torch_device(device)
        if config.precision == "bf16" and not force:
            refuse_slow_bf16(self.device)
        if config.precision == "tf32":
            refuse_missing_tf32(self.device)
        self._through_onednn = False
        self.data = load_data(config.data)
        self.split = split_of(self.data, config.seeds.split)
        if config.train_share < 1:
            train = nested_subset(self.split.train, config.train_share, seed=config.seeds.split)
            self.split = replace(self.split, train=train)
        _check_split(self.data, self.split)
        _check_vocabulary(self.data, config.seeds.split)
        _check_memory(self.data, config, self.device)

    def train(self, *, resume: bool = False, report: Callable[[EpochResult], None] = lambda _: None) -> RunResult:
        """Train until the stopping rule ends the run, then test the best checkpoint.

        Parameters
        ----------
        resume : bool
            Continue the run in the folder instead of starting one.
        report : Callable[[EpochResult], None]
            Called after every epoch.

        Raises
        ------
        CollapseError
            If the folder contains another run, or an unfinished one without `resume`; if the run diverges or a
            file cannot be written. The last good state is kept.
        RunStopped
            If a signal asked to stop. The state is saved.
        """
        if resume:
            self.folder.read_config(own_model=self.config.model.model)
        with self.folder.owned():
            self.folder.check_whole()
            if self.folder.config.exists():
                self._check_same()
                if (finished := self.folder.read_result()) is not None:
                    return finished
                if not resume:
                    raise CollapseError(
                        f"{self.folder.path} contains an unfinished run: continue it with --resume, or choose "
                        "another --out"
                    )
            forked = [self.device] if self.device.type == "cuda" else []
            with (
                torch.random.fork_rng(forked),
                tf32_products(enabled=self.config.precision == "tf32"),
                stop_requests() as request,
            ):
                return self._train(request, report)

    def _train(self, request: StopRequest, report: Callable[[EpochResult], None]) -> RunResult:
        start, memory = time.perf_counter(), PeakMemory(self.device)
        trainer = Trainer(self.config, self.data, self.split, self.device)
        flops = largest_product(trainer.model, self.config.optimiser.batch_size)
        with fast_float32_products(flops) as self._through_onednn:
            return self._steps(trainer, start, memory, request, report)

    def _steps(
        self,
        trainer: Trainer,
        start: float,
        memory: PeakMemory,
        request: StopRequest,
        report: Callable[[EpochResult], None],
    ) -> RunResult:
        seed = self.config.seeds.split if self.config.train_share == 1 else None
        counts = torch.from_numpy(training_row_counts(self.data, self.split.train, split_seed=seed))
        if not self.folder.config.exists():
            # Written after the model is built, so that a folder with it contains a run that can continue.
            write_json(self.folder.config, self.config.as_dict())
        kept = self._restore(trainer)
        rows = self.folder.read_metrics()[: trainer.epochs_done]
        if len(rows) < trainer.epochs_done:
            raise CollapseError(
                f"{self.folder.metrics} has {len(rows)} epochs, but {self.folder.last.name} has "
                f"{trainer.epochs_done}: restore the file, or start again in another --out"
            )
        self.folder.check_tables(kept, epochs=trainer.epochs_done, step=trainer.step)
        self._write_manifest(trainer, status="unfinished")
        for monitor in self._monitors:
            if hasattr(monitor, "attach"):
                monitor.attach(trainer.model, _some_rows(trainer))
        monitoring = Monitoring(self.folder.path, self._monitors, step=trainer.step, tensorboard=self._tensorboard)
        progress = Progress(
            self.folder, trainer, counts, rows, monitoring, request, monitor_every=self._monitor_every
        )
        with closing(monitoring):
            progress.start()
            while not trainer.finished:
                result = trainer.train_epoch(progress.after_step)
                progress.after_epoch(result)
                report(result)
        return self._test(trainer, rows, time.perf_counter() - start, memory)

    def _test(self, trainer: Trainer, rows: list[dict[str, str]], seconds: float, memory: PeakMemory) -> RunResult:
        path, best = self.folder.best, self._own(self.folder.best)
        if best.results["epoch"] != trainer.best_epoch:
            raise CollapseError(
                f"{path} has epoch {best.results['epoch']}, but the best epoch is {trainer.best_epoch}: restore "
                "the file, or start again in another --out"
            )
        trainer.model.load_state_dict(dict(best.state_dict))
        measured = {name: _number(path, best, f"validation_{name}") for name in ("auc", "logloss")}
        predictions = predict(trainer.model, self.data, self.split.test, self.device, split="test")
        predictions.save(self.folder.predictions)
        result = RunResult(
            model=self.config.model.name,
            best_epoch=trainer.best_epoch,
            validation=Evaluation(**measured),
            test=predictions.evaluation,
            already=False,
        )
        self._write_manifest(
            trainer,
            status="finished",
            epochs=trainer.epochs_done,
            best_epoch=result.best_epoch,
            validation=asdict(result.validation),
            test=asdict(result.test),
            rows_per_second=float(np.median([float(row["rows_per_second"]) for row in rows])),
            seconds_since_start_or_resume=seconds,
            peak_memory=memory.read(),
        )
        if not self._keep_last:
            # Only now, so that a run that stops before is tested again.
            self.folder.last.unlink(missing_ok=True)
        return result

    def _restore(self, trainer: Trainer) -> Mapping[str, str]:
        """Restore the last state, and return the digests of the tables at that time by file name."""
        if not self.folder.last.exists():
            # Stopped in its first epoch, a run begins again. A longer one was finished, or has lost its state.
            if self.folder.best.exists() and len(self.folder.read_metrics()) > 1:
                raise CollapseError(
                    f"{self.folder.path} has {self.folder.best.name}, but neither {self.folder.last.name} nor the "
                    f"results of a finished run: restore {self.folder.manifest.name}, or train again in another "
                    "--out"
                )
            return {}
        last = self._own(self.folder.last)
        trainer.restore(self.folder.last, last)
        path = self.folder.best
        if path.exists():
            best = self._own(path)
            epoch = best.results.get("epoch")
            if not isinstance(epoch, int) or epoch < trainer.best_epoch:
                raise CollapseError(
                    f"{path} has epoch {epoch}, but the best epoch is {trainer.best_epoch}: restore the file, "
                    "or start again in another --out"
                )
            trainer.adopt_best(epoch, _number(path, best, "validation_auc"))
        elif trainer.best_epoch:
            raise CollapseError(
                f"{path} with the best epoch, {trainer.best_epoch}, is missing: restore the file, or start "
                "again in another --out"
            )
        tables = last.results.get("tables", {})
        return tables if isinstance(tables, dict) else {}

    def _own(self, path: Path) -> Checkpoint:
        """Read a checkpoint of this run."""
        checkpoint = load_checkpoint(path)
        check_same_run(path, checkpoint, self.config, self.data.data_hash)
        return checkpoint

    def _check_same(self) -> None:
        path = self.folder.path
        theirs = self.folder.read_config(own_model=self.config.model.model)
        if differing := differences(theirs.as_dict(), self.config.as_dict()):
            raise CollapseError(
                f"{path} contains a run with other settings ({'; '.join(differing)}): choose another --out"
            )
        trained_on = str(self.folder.read_manifest().get("data", {}).get("sha256", self.data.data_hash))
        if trained_on != self.data.data_hash:
            raise CollapseError(
                f"the vocabulary or the rows of {self.config.data} have changed since the run in {path} began "
                f"(data hash {trained_on[:12]} there, {self.data.data_hash[:12]} here): choose another --out"
            )

    def _write_manifest(self, trainer: Trainer, **found: Any) -> None:
        self.folder.write_manifest(
            {
                "model": self.config.model.name,
                "label": self.config.label,
                "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
                "parameters_in_embeddings": sum(each.numel() for each in trainer.model.embedding.parameters()),
                "data": described(self.data, self.split),
                "seeds": asdict(self.config.seeds),
                "device": str(self.device),
                "threads": torch.get_num_threads(),
                "products_through_onednn": self._through_onednn,
                "versions": versions(),
                **found,
            }
        )


def _number(path: Path, checkpoint: Checkpoint, name: str) -> float:
    value = checkpoint.results.get(name)
    if not isinstance(value, float):
        raise CollapseError(f"{path} is damaged: its {name} is {value!r}")
    return value


def _check_memory(data: PreparedData, config: RunConfig, device: torch.device) -> None:
    """Refuse models whose weights, gradients and Adam moments do not fit into memory."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
    what, hint = f"training {config.model.name}", "choose a smaller embedding size or fewer sets"
    for size in (table_bytes, model_bytes):
        # Check the tables first: counting the parameters of a model with very many sets takes long.
        refuse_beyond_memory(4 * size(data.schema.cardinalities, config.model), what, hint, available=free)


def _check_vocabulary(data: PreparedData, seed: int) -> None:
    options = data.manifest.get("options", {})
    made_for = options.get("split_seed", seed) if options.get("vocabulary") == "training" else seed
    if made_for != seed:
        raise CollapseError(
            f"the vocabulary of {data.path} is from the training rows of split seed {made_for}, but this run "
            f"has split seed {seed}: train with --split-seed {made_for}, or prepare the data again"
        )


def _check_split(data: PreparedData, split: Split) -> None:
    for part in fields(split):
        labels = data.labels[getattr(split, part.name)]
        if len(np.unique(labels)) < 2:
            raise CollapseError(
                f"the {part.name} split of {data.path} has {len(labels)} rows and only one label, but AUC needs "
                "both: use more rows"
            )


def _some_rows(trainer: Trainer) -> torch.Tensor:
    """Return the ids of the first validation rows, for monitors of what the model returns."""
    rows = np.sort(trainer.split.validation[:_WATCHED])
    return torch.from_numpy(np.asarray(trainer.data.ids[rows])).to(trainer.device)
