"""A callback for Hugging Face's Trainer: ``pip install 'embedding-collapse[transformers]'``."""

from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from collapse.analysis.spectrum_monitor import SpectrumMonitor


class SpectrumCallback(TrainerCallback):  # type: ignore[misc]
    """Logs the information abundance of a model's embedding tables through the trainer.

    Parameters
    ----------
    trainer : transformers.Trainer
        The trainer, which logs the values.
    tables : mapping of str to Any, optional
        Tables by name, as `SpectrumMonitor` takes them. The default is the tables of the trainer's model.
    every_n_steps : int
        Number of optimiser steps between two measurements.

    Examples
    --------
    >>> from collapse.callbacks.transformers import SpectrumCallback
    >>> trainer.add_callback(SpectrumCallback(trainer, every_n_steps=1000))  # doctest: +SKIP
    """

    def __init__(self, trainer: Trainer, tables: Any = None, *, every_n_steps: int = 1000) -> None:
        self._trainer = trainer
        self.monitor = SpectrumMonitor(trainer.model if tables is None else tables, every_n_steps=every_n_steps)
        """The monitor with its history."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Measure every so many steps."""
        del args, control
        is_first = state.is_world_process_zero
        if state.global_step % self.monitor.every_n_steps == 0 and (is_first or self.monitor.is_collective):
            values = self.monitor.measure(state.global_step)
            if is_first and values:
                self._trainer.log(values)
