"""A run in progress: what is recorded, and when its state is saved."""

import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch

from collapse.errors import CollapseError
from collapse.io.checkpoint.file import save_checkpoint
from collapse.io.checkpoint.schema import Checkpoint
from collapse.training.data.store.prepared import PreparedData
from collapse.training.data.store.split import Split
from collapse.training.runs.folder import TIMINGS, RunFolder, digest_of
from collapse.training.runs.interrupt import StopRequest
from collapse.training.runs.loop import EpochResult, Trainer
from collapse.training.runs.machine import versions
from collapse.training.runs.monitor import Monitoring

_SAVE_SECONDS = 600.0
"""Seconds of training that a crash of the machine may cost."""


class RunStopped(CollapseError):
    """The run was asked to stop, and has saved its state."""

    def __init__(self, folder: Path, signal_number: int) -> None:
        super().__init__(f"stopped and saved: continue with `collapse train --resume --out {folder}`")
        self.exit_code = 128 + signal_number
        self._made_of = (folder, signal_number)

    def __reduce__(self) -> "tuple[type[RunStopped], tuple[Path, int]]":
        # So that the exception can be pickled between processes.
        return RunStopped, self._made_of


class Progress:
    """Records a run's metrics and monitors, and saves its best checkpoint and its last state.

    Parameters
    ----------
    folder : RunFolder
        Folder of the run.
    trainer : Trainer
        The model in training.
    counts : (sum D_i,) Tensor
        How often the training rows look up every table row.
    rows : list of dict
        Metrics of the finished epochs, to which new ones are added.
    monitoring : Monitoring
        The monitors.
    request : StopRequest
        Whether a signal asked to stop.
    monitor_every : int, optional
        Let the monitors measure after every so many steps, in addition to after every epoch.
    """

    def __init__(
        self,
        folder: RunFolder,
        trainer: Trainer,
        counts: torch.Tensor,
        rows: list[dict[str, str]],
        monitoring: Monitoring,
        request: StopRequest,
        *,
        monitor_every: int | None,
    ) -> None:
        self._folder, self._trainer, self._counts, self._rows = folder, trainer, counts, rows
        self._monitoring, self._request, self._monitor_every = monitoring, request, monitor_every
        self._saved = time.monotonic()

    def start(self) -> None:
        """Let the monitors measure the model before its first step."""
        if self._trainer.step == 0:
            self._measure()

    def after_step(self) -> None:
        """Measure, save or stop when it is time to.

        Raises
        ------
        RunStopped
            If a signal asked to stop. The state is saved.
        """
        trainer = self._trainer
        if self._monitor_every and trainer.step % self._monitor_every == 0:
            self._monitoring.show(self._measure(), trainer.step)
        if self._request or time.monotonic() - self._saved > _SAVE_SECONDS:
            self._save_last()
        if self._request.signal is not None:
            raise RunStopped(self._folder.path, self._request.signal)

    def after_epoch(self, result: EpochResult) -> None:
        """Save the metrics and the state, and the checkpoint if it is the best so far."""
        values = asdict(result)
        if self._trainer.is_best:
            results = {key: value for key, value in values.items() if key not in TIMINGS}
            save_checkpoint(self._folder.best, self._checkpoint(results))
        values |= self._measure()
        self._rows.append({key: str(value) for key, value in values.items()})
        self._folder.write_metrics(self._rows)
        shown = {key: value for key, value in values.items() if key != "epoch"}
        self._monitoring.show(shown, self._trainer.step)
        self._save_last()

    def _measure(self) -> dict[str, float]:
        epoch = self._trainer.epochs_done
        return self._monitoring.measure(self._checkpoint({"epoch": epoch}), epoch=epoch, step=self._trainer.step)

    def _save_last(self) -> None:
        results = {
            "epoch": self._trainer.epochs_done,
            "best_epoch": self._trainer.best_epoch,
            "tables": {self._folder.metrics.name: digest_of(self._rows), **self._monitoring.digests},
        }
        checkpoint = replace(self._checkpoint(results), training_state=self._trainer.state())
        save_checkpoint(self._folder.last, checkpoint)
        self._saved = time.monotonic()

    def _checkpoint(self, results: dict[str, Any]) -> Checkpoint:
        trainer = self._trainer
        schema = trainer.data.schema
        return Checkpoint(
            name=trainer.config.model.name,
            config=trainer.config.as_dict(),
            fields=schema.fields,
            cardinalities=schema.cardinalities,
            row_counts=self._counts,
            layout=trainer.model.layout,
            state_dict=trainer.model.state_dict(),
            data=described(trainer.data, trainer.split),
            results=results,
            versions=versions(),
        )


def described(data: PreparedData, split: Split) -> dict[str, Any]:
    """Return the description of the data for checkpoints and manifests: name, hash, rows of each split."""
    return {
        "name": data.schema.name,
        "sha256": data.data_hash,
        "rows": {part.name: len(getattr(split, part.name)) for part in fields(split)},
    }
