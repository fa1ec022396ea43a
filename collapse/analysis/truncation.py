"""Truncation of tables to the directions that hold a fraction of their energy.

Shapes: D rows of a table, K columns, k directions kept.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from collapse.errors import CollapseError
from collapse.io.blocks import as_array
from collapse.io.low_rank import Truncated
from collapse.io.tables import TableSet
from collapse.measures.dimensions import directions_for_energy
from collapse.measures.row_stream import RowStream, in_memory
from collapse.measures.spectra import Spectrum, decompose

Bits = Literal[16, 8, 4]


def spectra_of_sets(tables: TableSet) -> list[Spectrum]:
    """Decompose every table of every set once, for several truncations.

    Returns
    -------
    list of Spectrum
        One per field and set, in the order of the fields.

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


def truncate(
    tables: TableSet, energy: float, spectra: Sequence[Spectrum] | None = None, *, bits: Bits | None = None
) -> Iterator[Truncated]:
    """Truncate every table of every set to the fewest directions that hold a fraction of its energy.

    Parameters
    ----------
    tables : TableSet
        The tables.
    energy : float
        The fraction, above 0 and at most 1.
    spectra : sequence of Spectrum, optional
        Result of `spectra_of_sets`, for several truncations.
    bits : {16, 8, 4}, optional
        Bits per number of the stored rows; None keeps the table's type.

    Yields
    ------
    Truncated
        One per field and set, in the order of the fields.

    Raises
    ------
    CollapseError
        If the fraction is out of range, or a table holds NaN or infinity.
    """
    if not 0 < energy <= 1:
        raise CollapseError(f"energy must be greater than 0 and at most 1, got {energy:g}")
    of_sets = iter(spectra_of_sets(tables) if spectra is None else spectra)
    for table in tables:
        for m in range(table.sets):
            spectrum = next(of_sets)
            k = max(1, int(directions_for_energy(spectrum.values, fraction=energy)))
            yield at_size(table.field, m, table.set(m), spectrum, k, bits=bits)


def at_size(field: str, m: int, E: Any, spectrum: Spectrum, k: int, *, bits: Bits | None = None) -> Truncated:
    """Truncate one table to its strongest directions.

    Parameters
    ----------
    field : str
        Name of the field.
    m : int
        Index of the set.
    E : (D, K) array
        The table.
    spectrum : Spectrum
        Its spectrum.
    k : int
        Number of directions to keep. A table with fewer keeps all.
    bits : {16, 8, 4}, optional
        Bits per number of the stored rows; None keeps the table's type.
    """
    V_k = spectrum.V[:, :k]
    k = V_k.shape[1]
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
        bits=bits,
    )


def pareto_front(costs: Sequence[float], values: Sequence[float]) -> list[bool]:
    """Return which points no other point beats: none has at most their cost and a higher value, or less cost.

    Parameters
    ----------
    costs, values : sequence of float
        What a point costs, and what it is worth. A NaN value is beaten by all others.
    """
    order = sorted(range(len(costs)), key=lambda n: (costs[n], -np.nan_to_num(values[n], nan=-np.inf)))
    front, best = [False] * len(costs), -np.inf
    for n in order:
        front[n] = bool(values[n] > best)
        best = max(best, values[n]) if front[n] else best
    return front


def by_field(cut: Sequence[Truncated]) -> pd.DataFrame:
    """Sum truncations over the sets of every field.

    Parameters
    ----------
    cut : sequence of Truncated
        Results of `truncate`.

    Returns
    -------
    pandas.DataFrame
        One row per field: ``field``, ``cardinality``, ``columns`` of all sets, ``kept`` directions of all sets,
        mean ``energy`` that is kept, ``bytes_before``, ``bytes_after``, and the fraction ``saved``.
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
