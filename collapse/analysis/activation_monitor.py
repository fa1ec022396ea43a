"""How many directions the outputs of a model's layers use, during any training loop with PyTorch.

Collapse was first measured in tables. Its traces in hidden layers are measured in the same way: the rows are the
outputs of a layer for the examples of a batch.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from collapse.analysis.loggers import Log, logger
from collapse.analysis.reporting import Problems
from collapse.analysis.sharded_tables import is_first_rank
from collapse.measures.abundance import abundance_of_spectrum
from collapse.measures.dimensions import effective_rank
from collapse.measures.spectral_state import SpectralState, gram_state, merge, spectrum

_log = logging.getLogger(__name__)
COLUMNS = ("layer", "rows", "size", "ia", "effective_rank", "mean_cosine")
"""Columns of a measurement."""


class ActivationMonitor:
    """Measures the outputs of layers every so many steps, and logs the result.

    Hooks are only on the layers while a measurement takes place. What cannot be measured is reported once as a
    warning, and kept in `problems`; it never ends a training.

    Parameters
    ----------
    model : nn.Module
        The model.
    layers : sequence of str, optional
        Names of modules, as ``named_modules`` gives them. The default is every module without modules of its own,
        apart from dropout.
    every_n_steps : int
        Number of steps between two measurements.
    batches : int
        Number of forward passes that are measured together.
    log : callable or str, optional
        As for `SpectrumMonitor`.
    prefix : str
        Prefix of the logged names: ``PREFIX/ia/LAYER``, ``PREFIX/effective_rank/LAYER`` and
        ``PREFIX/mean_cosine/LAYER``.

    Raises
    ------
    ValueError
        If `every_n_steps` or `batches` is below 1, or a layer does not exist.

    Notes
    -----
    The last dimension of an output holds its columns, all others its rows. Each layer keeps a Gram matrix of its
    columns, so several batches take no more memory than one. Outputs of one column are left out. An output that is
    a dictionary, list or tuple of tensors is measured part by part.

    Examples
    --------
    >>> import torch, collapse
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> monitor = collapse.ActivationMonitor(model, every_n_steps=10)
    >>> for _ in range(20):
    ...     _ = model(torch.randn(32, 4))
    ...     _ = monitor.step()  # after optimiser.step()
    >>> sorted(set(monitor.history["step"])), sorted(set(monitor.history["layer"]))
    ([10, 20], ['0', '1', '2'])
    """

    def __init__(
        self,
        model: Any,
        layers: Sequence[str] | None = None,
        *,
        every_n_steps: int = 1000,
        batches: int = 1,
        log: str | Log | None = None,
        prefix: str = "activations",
    ) -> None:
        if every_n_steps < 1 or batches < 1:
            raise ValueError(f"every_n_steps and batches must be at least 1, got {every_n_steps} and {batches}")
        self.every_n_steps, self._batches, self._prefix = every_n_steps, min(batches, every_n_steps), prefix
        self._layers = dict(_chosen(model, layers))
        self._logger = logger(log) if is_first_rank() else None
        self._problems = Problems(_log, "a look at the outputs of layers")
        self.steps = 0
        """Number of steps so far."""
        self._states: dict[str, SpectralState] = {}
        self._hooks: list[Any] = []
        self._rows: list[dict[str, Any]] = []
        self._arm()

    @property
    def problems(self) -> dict[str, str]:
        """What could not be measured or logged, by layer or ``log``, with the latest reason."""
        return self._problems.found

    @property
    def history(self) -> pd.DataFrame:
        """All measurements, one row per step and layer: ``step`` and the columns of `COLUMNS`."""
        return pd.DataFrame(self._rows, columns=["step", *COLUMNS])

    def step(self) -> dict[str, float] | None:
        """Count a step. Call it after every step of the optimiser.

        Returns
        -------
        dict of str to float or None
            The logged values; None if nothing was measured.
        """
        self.steps += 1
        found = None
        if self.steps % self.every_n_steps == 0:
            found = self.measure(self.steps)
        self._arm()
        return found

    def measure(self, step: int) -> dict[str, float]:
        """Measure what the layers returned since the hooks were set, and log it.

        Parameters
        ----------
        step : int
            Step to log it under.

        Returns
        -------
        dict of str to float
            The logged values.
        """
        states, self._states = self._states, {}
        self._remove()
        values: dict[str, float] = {}
        for name, state in states.items():
            with self._problems.reported(name):
                row = measured(name, state)
                self._rows.append({"step": step, **row})
                for measure in ("ia", "effective_rank", "mean_cosine"):
                    values[f"{self._prefix}/{measure}/{name}"] = row[measure]
        if self._logger is not None and values:
            with self._problems.reported("log"):
                self._logger(values, step)
        return values

    def close(self) -> None:
        """Remove the hooks."""
        self._remove()

    def _arm(self) -> None:
        """Set the hooks if the coming forward passes are to be measured."""
        due = self.every_n_steps - self.steps % self.every_n_steps
        if due <= self._batches and not self._hooks:
            self._hooks = [
                layer.register_forward_hook(self._hook(name), always_call=False)
                for name, layer in self._layers.items()
            ]

    def _remove(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _hook(self, name: str) -> Callable[[Any, Any, Any], None]:
        def look(_module: Any, _inputs: Any, output: Any) -> None:
            with self._problems.reported(name):
                for part, state in states_of(name, output):
                    before = self._states.get(part)
                    self._states[part] = state if before is None else merge([before, state])

        return look


def states_of(name: str, output: Any) -> Iterator[tuple[str, SpectralState]]:
    """Yield the states of a layer's output, or of its parts.

    Parameters
    ----------
    name : str
        Name of the layer.
    output : Tensor, or mapping or sequence of tensors
        The output. Other objects are ignored, and so are tensors of one column or without columns.
    """
    if isinstance(output, Mapping):
        for key, part in output.items():
            yield from states_of(f"{name}.{key}", part)
    elif isinstance(output, list | tuple):
        for number, part in enumerate(output):
            yield from states_of(name if len(output) == 1 else f"{name}.{number}", part)
    elif hasattr(output, "is_floating_point") and output.is_floating_point() and output.ndim > 1:
        rows = output.detach().reshape(-1, output.shape[-1])
        if rows.shape[1] > 1 and rows.shape[0] > 0:
            yield name, gram_state(rows)


def measured(name: str, state: SpectralState) -> dict[str, Any]:
    """Measure the outputs of a layer.

    Parameters
    ----------
    name : str
        Name of the layer.
    state : SpectralState
        State of its outputs.

    Returns
    -------
    dict
        ``layer``, ``rows``, ``size`` (columns), ``ia``, ``effective_rank``, ``mean_cosine``.

    Raises
    ------
    ValueError
        If an output holds NaN or infinity.
    """
    sigma = spectrum(state).values
    return {
        "layer": name,
        "rows": state.rows,
        "size": state.columns,
        "ia": float(abundance_of_spectrum(sigma)),
        "effective_rank": float(effective_rank(sigma)) if sigma[0] > 0 else 0.0,
        "mean_cosine": float(state.mean_cosine),
    }


def _chosen(model: Any, layers: Sequence[str] | None) -> Iterator[tuple[str, Any]]:
    """Yield the layers by name."""
    modules = dict(model.named_modules())
    if layers is None:
        for name, module in modules.items():
            if not any(True for _ in module.children()) and "Dropout" not in type(module).__name__:
                yield name or type(module).__name__, module
        return
    for name in layers:
        if name not in modules:
            raise ValueError(f"the model has no layer {name!r}; it has {', '.join(list(modules)[1:9])}, ..")
        yield name, modules[name]


def outputs_of(model: Any, inputs: Any, layers: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Measure the outputs of a model's layers for some inputs, in evaluation mode and without gradients.

    Parameters
    ----------
    model : nn.Module
        The model, which is left as it was.
    inputs : Tensor
        Its input.
    layers : sequence of str, optional
        As for `ActivationMonitor`.

    Returns
    -------
    list of dict
        One per layer, as `measured` returns it, in the order in which the layers were computed.
    """
    torch = sys.modules["torch"]
    states: dict[str, SpectralState] = {}

    def hook(name: str) -> Callable[[Any, Any, Any], None]:
        return lambda _module, _inputs, output: states.update(states_of(name, output))

    hooks = [layer.register_forward_hook(hook(name)) for name, layer in _chosen(model, layers)]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        model.train(was_training)
        for each in hooks:
            each.remove()
    return [measured(name, state) for name, state in states.items()]
