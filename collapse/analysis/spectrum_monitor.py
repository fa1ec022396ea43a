"""Information abundance during any training loop."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.io.load import load
from collapse.io.readers.objects import TABLE
from collapse.measures.abundance import adjusted_abundance, information_abundance
from collapse.measures.random_matrix import random_abundance

Log = Callable[[dict[str, float], int], object]


class SpectrumMonitor:
    """Measures the information abundance of embedding tables every so many steps, and logs it.

    Parameters
    ----------
    tables : object
        A model (``nn.Module``), whose ``nn.Embedding`` and ``nn.EmbeddingBag`` layers of several columns are
        measured under the names that ``collapse analyze`` gives their tables; or tables by name, which may be
        parameters, tensors on any device, arrays or embedding layers; or anything else that `collapse.load` takes,
        such as one array.
    every_n_steps : int
        Number of steps between two measurements.
    log : callable, optional
        Called with a dictionary of numbers and the step, such as ``wandb.log``, or ``lambda values, step:
        writer.add_scalars(..)``.
    prefix : str
        Prefix of the logged names.

    Raises
    ------
    ValueError
        If no table can be found in `tables`, or `every_n_steps` is below 1.

    Notes
    -----
    A measurement is one pass over each table in float64 on the table's device, or two if the spectrum is deep
    (`decompose`). Nothing is kept on the device. For every table the logged names are ``PREFIX/ia/NAME`` and
    ``PREFIX/ia_normalised/NAME``, IA / E[IA(random)]; their means are ``PREFIX/ia_mean`` and
    ``PREFIX/ia_normalised_mean``.

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
        self, tables: Any, *, every_n_steps: int = 1000, log: Log | None = None, prefix: str = "spectrum"
    ) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, got {every_n_steps}")
        self._tables = dict(_tables(tables))
        if not self._tables:
            raise ValueError(
                "no embedding table of several columns was found: pass tables by name, as {'user': table, ..}"
            )
        self.every_n_steps, self._log, self._prefix = every_n_steps, log, prefix
        self.steps = 0
        """Number of steps so far."""
        self._rows: list[dict[str, Any]] = []

    def step(self) -> dict[str, float] | None:
        """Count a step, and measure if it is a multiple of `every_n_steps`.

        Returns
        -------
        dict of str to float or None
            The logged values; None if nothing was measured.

        Raises
        ------
        ValueError
            If a table holds NaN or infinity.
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
            The logged values.

        Raises
        ------
        ValueError
            If a table holds NaN or infinity. The message names the table.
        """
        values: dict[str, float] = {}
        found = {name: self._of_table(name) for name in self._tables}
        self._rows += [{"step": step, "field": name, **of_table} for name, of_table in found.items()]
        for measure in ("ia", "ia_normalised"):
            of_all = {name: of_table[measure] for name, of_table in found.items()}
            values |= {f"{self._prefix}/{measure}/{name}": value for name, value in of_all.items()}
            values[f"{self._prefix}/{measure}_mean"] = float(np.mean(list(of_all.values())))
        if self._log is not None:
            self._log(values, step)
        return values

    def _of_table(self, name: str) -> dict[str, float]:
        table = _weight(self._tables[name])
        try:
            return against_random(table)
        except ValueError as error:
            raise ValueError(f"table {name!r}: {error}") from error

    def __repr__(self) -> str:
        tables = f"{len(self._tables)} table{'s' * (len(self._tables) != 1)}"
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


def against_random(E: Any) -> dict[str, float]:
    """Measure all rows of a table: ``ia`` and ``ia_normalised`` = IA / E[IA(random)]."""
    ia = information_abundance(E)
    return {"ia": ia, "ia_normalised": ia / random_abundance(*map(int, E.shape)).mean}


def adjusted_over(E: Any, trained: NDArray[np.bool_]) -> float:
    """Measure the adjusted abundance of the chosen rows of a table, or of all rows if none is chosen."""
    rows = int(np.count_nonzero(trained)) or len(trained)
    ia = information_abundance(E, weights=trained if 0 < rows < len(trained) else None)
    return adjusted_abundance(ia, random_abundance(rows, int(E.shape[1])).mean)


def _tables(tables: Any) -> Iterator[tuple[str, Any]]:
    """Yield tables by name. Modules are kept, because their weights may be replaced."""
    if isinstance(tables, Mapping) and all(_is_table(each) for each in tables.values()):
        yield from tables.items()
        return
    if hasattr(tables, "named_modules"):
        layers = [(name, each) for name, each in tables.named_modules() if hasattr(each, "num_embeddings")]
        if layers:
            fields = _fields(tables)
            for name, each in layers:
                if _weight(each).shape[1] > 1:
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
    except CollapseError:
        return {}
    of_tensor = Counter(key for table in found for key in table.keys)
    return {table.keys[0]: table.field for table in found if [of_tensor[key] for key in table.keys] == [1]}


def _is_table(value: Any) -> bool:
    return hasattr(value, "num_embeddings") or len(getattr(value, "shape", ())) == 2


def _weight(table: Any) -> Any:
    return table.weight if hasattr(table, "weight") else table
