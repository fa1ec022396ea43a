"""Tables cut to the directions that hold a share of their energy: what the collapsed ones were worth.

Shapes: D rows of a table, K columns, k directions kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.analysis.measures.dimensions import directions_for_energy
from collapse.analysis.measures.row_stream import RowStream, in_memory
from collapse.analysis.measures.spectra import Spectrum, decompose
from collapse.analysis.readers.blocks import as_array
from collapse.errors import CollapseError
from collapse.tables import TableSet


@dataclass(frozen=True, kw_only=True, repr=False)
class Truncated:
    """One table, cut: E is replaced by left right, its best approximation of rank k (Eckart and Young)."""

    field: str
    """The field."""
    set: int
    """The set of a multi-embedding model, from 0."""
    columns: int
    """K."""
    k: int
    """The directions that are kept: the fewest that hold the share of the energy."""
    energy: float
    """The share of the energy sum sigma^2 that they hold; 1 of a table of zeros."""
    left: NDArray[Any]
    """E V_k, shape (D, k), in the table's type."""
    right: NDArray[Any]
    """V_k^T, shape (k, K), orthonormal rows, in the table's type."""

    def __repr__(self) -> str:
        return f"<Truncated {self.field!r}, set {self.set}: {self.k} of {self.columns} directions>"

    @property
    def bytes_before(self) -> int:
        """The size of the table."""
        return int(len(self.left) * self.columns * self.left.itemsize)

    @property
    def bytes_after(self) -> int:
        """The size of its factors, or of the table where that is no larger."""
        return min(self.bytes_before, int(self.left.nbytes + self.right.nbytes))

    @property
    def is_factored(self) -> bool:
        """Whether the factors are smaller than the table."""
        return self.bytes_after < self.bytes_before

    @property
    def table(self) -> NDArray[Any]:
        """The table of rank k that stands for the old one, shape (D, K)."""
        product: NDArray[Any] = self.left @ self.right
        return product


def spectra_of_sets(tables: TableSet) -> list[Spectrum]:
    """Decompose every table of every set, once for all shares that are asked for.

    Parameters
    ----------
    tables : TableSet
        The tables.

    Returns
    -------
    list of Spectrum
        One a field and set, in the order of the fields.

    Raises
    ------
    CollapseError
        If a table holds NaN or infinity.
    """
    found = []
    for table in tables:
        for m in range(table.sets):
            try:
                found.append(decompose(table.set(m)))
            except ValueError as error:
                raise CollapseError(f"field {table.field!r} of {tables.source}: {error}") from error
    return found


def truncate(tables: TableSet, energy: float, spectra: Sequence[Spectrum] | None = None) -> Iterator[Truncated]:
    """Cut every table of every set to the directions that hold a share of its energy.

    Parameters
    ----------
    tables : TableSet
        The tables.
    energy : float
        The share, above 0 and at most 1.
    spectra : sequence of Spectrum, optional
        What `spectra_of_sets` returned, where several shares are asked for.

    Yields
    ------
    Truncated
        One a field and set, in the order of the fields.

    Raises
    ------
    CollapseError
        If the share is none, or a table holds NaN or infinity.
    """
    if not 0 < energy <= 1:
        raise CollapseError(f"{energy:g} is no share of the energy: it is above 0 and at most 1")
    of_sets = iter(spectra_of_sets(tables) if spectra is None else spectra)
    for table in tables:
        for m in range(table.sets):
            yield _cut(table.field, m, table.set(m), next(of_sets), energy)


def _cut(field: str, m: int, E: Any, spectrum: Spectrum, energy: float) -> Truncated:
    k = max(1, int(directions_for_energy(spectrum.values, share=energy)))
    V_k = spectrum.V[:, :k]
    dtype = as_array(E[:1]).dtype
    stream = RowStream(E)
    left = np.empty((stream.shape[0], k), dtype)
    for start in stream.starts:
        chunk = in_memory(stream.chunk(start))
        left[start : start + len(chunk)] = chunk @ V_k
    squares = spectrum.values**2
    return Truncated(
        field=field,
        set=m,
        columns=stream.shape[1],
        k=k,
        energy=float(squares[:k].sum() / squares.sum()) if squares.any() else 1.0,
        left=left,
        right=V_k.T.astype(dtype),
    )


def by_field(cut: Sequence[Truncated]) -> pd.DataFrame:
    """Sum what was cut over the sets of every field.

    Parameters
    ----------
    cut : sequence of Truncated
        What `truncate` gave.

    Returns
    -------
    pandas.DataFrame
        A row a field: ``field``, ``cardinality``, ``columns`` of all sets, ``kept`` directions of all sets,
        ``energy`` kept on average, ``bytes_before``, ``bytes_after``, ``saved``, a share.
    """
    frame = pd.DataFrame(
        {
            "field": [each.field for each in cut],
            "cardinality": [len(each.left) for each in cut],
            "columns": [each.columns for each in cut],
            "kept": [each.k for each in cut],
            "energy": [each.energy for each in cut],
            "bytes_before": [each.bytes_before for each in cut],
            "bytes_after": [each.bytes_after for each in cut],
        }
    )
    how = {"cardinality": "first", "energy": "mean"}
    sums = frame.groupby("field", sort=False).agg({name: how.get(name, "sum") for name in frame.columns[1:]})
    return sums.assign(saved=1 - sums["bytes_after"] / sums["bytes_before"]).reset_index()
