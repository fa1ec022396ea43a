"""Information abundance during any training loop."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.analysis.loggers import Log, logger
from collapse.analysis.reporting import Problems
from collapse.analysis.sharded_tables import ShardedTable, is_first_rank, is_sharded
from collapse.errors import CollapseError
from collapse.io.load import load
from collapse.io.readers.objects import TABLE
from collapse.measures.abundance import abundance_of_spectrum, adjusted_abundance, information_abundance
from collapse.measures.random_matrix import random_abundance
from collapse.measures.row_stream import unreadable_kind
from collapse.measures.segments import measure_segments
from collapse.measures.spectral_state import spectrum
from collapse.printable import counted

Alert = Callable[[str, float, int], object]
"""Called with the name of a table, its IA / E[IA(random)], and the step."""
_log = logging.getLogger(__name__)


class SpectrumMonitor:
    """Measures the information abundance of embedding tables every so many steps, and logs it.

    Nothing that happens in a measurement ends a training: what cannot be measured or logged is reported once, as a
    warning of the logger ``collapse.analysis.spectrum_monitor``, and kept in `problems`.

    Parameters
    ----------
    tables : object
        A model (``nn.Module``), whose ``nn.Embedding`` and ``nn.EmbeddingBag`` layers of several columns are
        measured under the names that ``collapse analyze`` gives their tables; or tables by name, or a list of
        tables, which may be parameters, tensors on any device, arrays or embedding layers; or a function without
        arguments that returns tables by name, and is called for each measurement; or anything else that
        `collapse.load` takes, such as one array. Tables may be in parts on the ranks of ``torch.distributed``:
        DTensor (also of FSDP2) and ShardedTensor (TorchRec).
    every_n_steps : int
        Number of steps between two measurements.
    log : callable or str, optional
        Called with a dictionary of numbers and the step; or ``"tensorboard:FOLDER"``, ``"wandb"``, ``"mlflow"`` or
        ``"prometheus:FILE"`` (`collapse.analysis.loggers.logger`). Of several ranks, the first logs.
    prefix : str
        Prefix of the logged names.
    segments : mapping of str to (D,) array, optional
        For tables by name a label of every row, such as its popularity or genre. The rows of each label are also
        measured, in one more pass, and logged as ``PREFIX/ia/NAME/LABEL``. Tables in parts have no segments.
    alert_below : float, optional
        IA / E[IA(random)] below which a table raises an alert, once until it has been above again.
    on_alert : callable, optional
        Called for an alert with the name of the table, its value and the step. The default is a warning of the
        logger with the verdict of `diagnose`.

    Raises
    ------
    ValueError
        If no table can be found in `tables`, `every_n_steps` is below 1, or `segments` names another table.
    CollapseError
        If `log` is unknown, or needs a package that is not installed.

    Notes
    -----
    A measurement is one pass over each table in float64 on the table's device, or two if the spectrum is deep
    (`decompose`). Nothing is kept on the device. For every table the logged names are ``PREFIX/ia/NAME`` and
    ``PREFIX/ia_normalised/NAME``, IA / E[IA(random)]; their means are ``PREFIX/ia_mean`` and
    ``PREFIX/ia_normalised_mean``.

    A measurement of a table in parts is collective: every rank must call `step` or `measure`. Each adds K x K
    doubles to one sum, or all rows if the columns are divided.

    Examples
    --------
    >>> import torch, collapse
    >>> model = torch.nn.ModuleDict({"user": torch.nn.Embedding(50, 4), "item": torch.nn.Embedding(30, 4)})
    >>> monitor = collapse.SpectrumMonitor(model, every_n_steps=100)
    >>> for _ in range(200):
    ...     _ = monitor.step()  # after optimiser.step()
    >>> sorted(set(monitor.history["step"]))
    [100, 200]
    """

    def __init__(
        self,
        tables: Any,
        *,
        every_n_steps: int = 1000,
        log: str | Log | None = None,
        prefix: str = "spectrum",
        segments: Mapping[str, Any] | None = None,
        alert_below: float | None = None,
        on_alert: Alert | None = None,
    ) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, got {every_n_steps}")
        # A model is callable too.
        self._find = tables if _is_function(tables) else None
        self._tables = {} if self._find else dict(_tables(tables))
        if not self._tables and self._find is None:
            raise ValueError(
                "no embedding table of several columns was found: pass tables by name, as {'user': table, ..}"
            )
        self._segments = {name: _coded(labels) for name, labels in (segments or {}).items()}
        if self._find is None and (unknown := sorted(self._segments.keys() - self._tables.keys())):
            raise ValueError(
                f"segments are given for {unknown[0]!r}, which is not a table: {', '.join(self._tables)}"
            )
        self.every_n_steps, self._prefix = every_n_steps, prefix
        self._logger = logger(log) if is_first_rank() else None
        self._alert_below, self._on_alert = alert_below, on_alert
        self.steps = 0
        """Number of steps so far."""
        self._problems = Problems(_log, "a look at the spectra")
        self._alerted: set[str] = set()
        self._rows: list[dict[str, Any]] = []

    @property
    def problems(self) -> dict[str, str]:
        """What could not be measured or logged, by table, ``tables`` or ``log``, with the latest reason."""
        return self._problems.found

    @property
    def is_collective(self) -> bool:
        """Whether all ranks have to measure, because a table is in parts on them."""
        return self._find is not None or any(is_sharded(_weight(table)) for table in self._tables.values())

    def step(self) -> dict[str, float] | None:
        """Count a step, and measure if it is a multiple of `every_n_steps`.

        Returns
        -------
        dict of str to float or None
            The logged values; None if nothing was measured.
        """
        self.steps += 1
        return None if self.steps % self.every_n_steps else self.measure(self.steps)

    def measure(self, step: int) -> dict[str, float]:
        """Measure all tables now, and log the result.

        Parameters
        ----------
        step : int
            Step to log it under.

        Returns
        -------
        dict of str to float
            The logged values; empty if no table could be measured.
        """
        if self._find is not None:
            with self._problems.reported("tables"):
                self._tables = dict(_tables(self._find()))
        found: dict[str, dict[str, float]] = {}
        for name in self._tables:
            with self._problems.reported(name):
                measured = _measured(_weight(self._tables[name]))
                if measured is not None:
                    found[name] = measured
        if not found:
            return {}
        parts: dict[str, dict[str, float]] = {}
        for name in self._segments.keys() & found.keys():
            with self._problems.reported(f"segments of {name}"):
                parts |= _measured_segments(name, _weight(self._tables[name]), *self._segments[name])
        everything = {**found, **parts}
        self._rows += [{"step": step, "field": name, **of_table} for name, of_table in everything.items()]
        values: dict[str, float] = {}
        for measure in ("ia", "ia_normalised"):
            of_all = {name: of_table[measure] for name, of_table in found.items()}
            values |= {f"{self._prefix}/{measure}/{name}": of[measure] for name, of in everything.items()}
            values[f"{self._prefix}/{measure}_mean"] = float(np.mean(list(of_all.values())))
        if self._logger is not None:
            with self._problems.reported("log"):
                self._logger(values, step)
        if is_first_rank():
            self._alert({name: of_table["ia_normalised"] for name, of_table in found.items()}, step)
        return values

    def _alert(self, values: Mapping[str, float], step: int) -> None:
        """Report tables that fell below the threshold."""
        if self._alert_below is None:
            return
        below = {name for name, value in values.items() if value < self._alert_below}
        for name in sorted(below - self._alerted):
            with self._problems.reported("on_alert"):
                (self._warn if self._on_alert is None else self._on_alert)(name, values[name], step)
        self._alerted = below

    def _warn(self, name: str, value: float, step: int) -> None:
        """Log a warning with the verdict on a table."""
        table = _weight(self._tables[name])
        verdict = ""
        if not is_sharded(table):
            from collapse.analysis.diagnosis import diagnose

            verdict = f" ({diagnose({name: table})['verdict'].iloc[0]})"
        _log.warning(
            "%s",
            f"at step {step:,} the information abundance of table {name!r} is {value:.0%} of a random table's, "
            f"below {self._alert_below:.0%}{verdict}",
        )

    def __repr__(self) -> str:
        tables = counted(len(self._tables), "table")
        measured = len({row["step"] for row in self._rows})
        return (
            f"<SpectrumMonitor of {tables}, every {self.every_n_steps:,} steps; step {self.steps:,}, "
            f"measured {measured:,} times>"
        )

    def _repr_html_(self) -> str:
        latest = self.history.drop_duplicates("field", keep="last")
        return f"<p>{escape(repr(self))}</p>{latest.to_html(index=False)}"

    @property
    def history(self) -> pd.DataFrame:
        """All measurements, one row per table and step: ``step``, ``field``, ``ia``, ``ia_normalised``."""
        return pd.DataFrame(self._rows, columns=["step", "field", "ia", "ia_normalised"])


def _measured(E: Any) -> dict[str, float] | None:
    """Measure a table, or the rank's part of one; None on a rank that does not belong to its group."""
    if not is_sharded(E):
        if (kind := unreadable_kind(E)) is not None:
            raise ValueError(f"it is {kind}")
        return against_random(E)
    table = ShardedTable(E)
    if not table.takes_part:
        return None
    ia = float(abundance_of_spectrum(spectrum(table.state(), table.state).values))
    return {"ia": ia, "ia_normalised": ia / random_abundance(*table.shape).mean}


def _coded(labels: Any) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of segments, and the segment of every row."""
    codes, names = pd.factorize(np.asarray(labels), sort=True)
    return [str(name) for name in names], codes.astype(np.int64)


def _measured_segments(
    name: str, E: Any, names: Sequence[str], codes: NDArray[np.int64]
) -> dict[str, dict[str, float]]:
    if is_sharded(E):
        raise ValueError("the table is in parts on several ranks")
    found = {}
    for segment, part in zip(names, measure_segments(E, codes, len(names)), strict=True):
        if part is not None:
            ia = float(abundance_of_spectrum(part.spectrum.values))
            random = random_abundance(part.rows, int(E.shape[1])).mean
            found[f"{name}/{segment}"] = {"ia": ia, "ia_normalised": ia / random}
    return found


def against_random(E: Any) -> dict[str, float]:
    """Measure all rows of a table: ``ia`` and ``ia_normalised`` = IA / E[IA(random)]."""
    ia = information_abundance(E)
    return {"ia": ia, "ia_normalised": ia / random_abundance(*map(int, E.shape)).mean}


def adjusted_over(E: Any, trained: NDArray[np.bool_]) -> float:
    """Measure the adjusted abundance of the chosen rows of a table, or of all rows if none is chosen."""
    rows = int(np.count_nonzero(trained)) or len(trained)
    ia = information_abundance(E, weights=trained if 0 < rows < len(trained) else None)
    return adjusted_abundance(ia, random_abundance(rows, int(E.shape[1])).mean)


def _is_function(tables: Any) -> bool:
    return callable(tables) and not hasattr(tables, "named_modules") and not hasattr(tables, "shape")


def _tables(tables: Any) -> Iterator[tuple[str, Any]]:
    """Yield tables by name. Modules are kept, because their weights may be replaced."""
    if isinstance(tables, list | tuple) and tables and all(_is_table(each) for each in tables):
        tables = {f"table_{number}": each for number, each in enumerate(tables)}
    if isinstance(tables, Mapping) and all(_is_table(each) for each in tables.values()):
        yield from ((str(name), each) for name, each in tables.items())
        return
    if isinstance(tables, Mapping) and any(is_sharded(each) for each in tables.values()):
        # A state dict of ranks, whose other entries cannot be gathered here.
        yield from ((str(name), each) for name, each in tables.items() if is_sharded(each) and _is_table(each))
        return
    if hasattr(tables, "named_modules"):
        layers = [(name, each) for name, each in tables.named_modules() if hasattr(each, "num_embeddings")]
        if layers:
            fields = _fields(tables)
            for name, each in layers:
                if len(_weight(each).shape) == 2 and _weight(each).shape[1] > 1:
                    yield fields.get(f"{name}.weight", name or TABLE), each
            return
    try:
        # Views of memory follow the tables as long as these are changed in place.
        found = load(tables)
    except CollapseError as error:
        raise ValueError(str(error)) from error
    yield from ((table.field, table.E) for table in found)


def _fields(model: Any) -> dict[str, str]:
    """Return the names that `load` gives tables, by tensor, except for tables that it splits or joins."""
    try:
        found = load(model)
    except Exception:  # noqa: BLE001  names are a convenience; tensors of ranks, for example, cannot be loaded
        return {}
    of_tensor = Counter(key for table in found for key in table.keys)
    return {table.keys[0]: table.field for table in found if [of_tensor[key] for key in table.keys] == [1]}


def _is_table(value: Any) -> bool:
    return hasattr(value, "num_embeddings") or len(getattr(value, "shape", ())) == 2


def _weight(table: Any) -> Any:
    return table.weight if hasattr(table, "weight") else table
