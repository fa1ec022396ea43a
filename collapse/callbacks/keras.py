"""A callback for Keras 3, with any of its backends: ``pip install keras``."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from collapse.analysis.loggers import Log
from collapse.analysis.spectrum_monitor import Alert, SpectrumMonitor


class SpectrumCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Measures the information abundance of a model's embedding layers; their means enter the logs of an epoch.

    Parameters
    ----------
    every_n_steps : int
        Number of batches between two measurements.
    log, alert_below, on_alert
        As for `SpectrumMonitor`.

    Examples
    --------
    >>> from collapse.callbacks.keras import SpectrumCallback
    >>> model.fit(x, y, callbacks=[SpectrumCallback(every_n_steps=1000)])  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        every_n_steps: int = 1000,
        log: str | Log | None = None,
        alert_below: float | None = None,
        on_alert: Alert | None = None,
    ) -> None:
        super().__init__()
        self.monitor = SpectrumMonitor(
            self._tables, every_n_steps=every_n_steps, log=log, alert_below=alert_below, on_alert=on_alert
        )
        """The monitor with its history."""
        self._latest: dict[str, float] = {}

    def _tables(self) -> Mapping[str, Any]:
        """Return the tables of the embedding layers by the names of their layers."""
        found: dict[str, Any] = {}
        for layer in _layers(self.model):
            if isinstance(layer, keras.layers.Embedding) and layer.built:
                name = layer.name if layer.name not in found else layer.path
                found[name] = np.asarray(keras.ops.convert_to_numpy(layer.embeddings))
        return found

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Count a batch, and measure if it is time."""
        del batch, logs
        self._latest = self.monitor.step() or self._latest

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add the latest means to the logs, where Keras's own history and callbacks see them."""
        del epoch
        if logs is not None:
            logs |= {
                name.replace("/", "_"): value for name, value in self._latest.items() if name.endswith("_mean")
            }


def _layers(model: Any) -> Iterator[Any]:
    """Yield the layers of a model and of the models in it."""
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _layers(layer)
