"""A callback for Lightning: ``pip install 'embedding-collapse[lightning]'``."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from collapse.analysis.spectrum_monitor import SpectrumMonitor


class SpectrumCallback(Callback):  # type: ignore[misc]
    """Logs the information abundance of a module's embedding tables to the trainer's loggers.

    Parameters
    ----------
    tables : mapping of str to Any, optional
        Tables by name, as `SpectrumMonitor` takes them. The default is the tables of the module.
    every_n_steps : int
        Number of optimiser steps between two measurements.

    Examples
    --------
    >>> from lightning.pytorch import Trainer
    >>> from collapse.callbacks.lightning import SpectrumCallback
    >>> trainer = Trainer(callbacks=[SpectrumCallback(every_n_steps=1000)])  # doctest: +SKIP
    """

    def __init__(self, tables: Any = None, *, every_n_steps: int = 1000) -> None:
        self._tables, self._every_n_steps = tables, every_n_steps
        self.monitor: SpectrumMonitor | None = None
        """The monitor with its history, once training has begun."""
        self._last = 0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the tables."""
        self.monitor = SpectrumMonitor(
            pl_module if self._tables is None else self._tables, every_n_steps=self._every_n_steps
        )
        self._last = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Measure every so many steps. A step of several batches counts once."""
        step = trainer.global_step
        if self.monitor is None or step == self._last or step % self._every_n_steps:
            return
        self._last = step
        # One process is enough if the tables are the same in all. All take part if a table is in parts on them.
        if trainer.is_global_zero or self.monitor.is_collective:
            values = self.monitor.measure(step)
            for logger in trainer.loggers if trainer.is_global_zero else ():
                logger.log_metrics(values, step)
