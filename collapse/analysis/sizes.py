"""How many columns each field needs: by the energy of its spectrum, by rules of thumb, and in bytes.

A size k of a field means that each of its M tables is replaced by its best approximation of rank k.

Shapes: N fields, M sets, D rows of a table (cardinality), K columns of a set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.factorised import FactoredTables
from collapse.analysis.truncation import Bits, at_size, spectra_of_sets
from collapse.io.blocks import as_array
from collapse.io.low_rank import stored_bytes
from collapse.io.tables import TableSet
from collapse.measures.dimensions import directions_above_bulk, directions_for_energy
from collapse.measures.spectra import Spectrum

RULES = {"1.6 D^0.56": (1.6, 0.56), "6 D^0.25": (6.0, 0.25)}
"""Rules of thumb by cardinality. The first is fast.ai's `emb_sz_rule`, which also has at most 600 columns; the
second is from Wang et al., Deep & Cross Network for ad click predictions, ADKDD 2017."""


@dataclass(frozen=True, kw_only=True)
class FieldSpectra:
    """Spectra of one field's tables, one per set, and what they cost at every size."""

    field: str
    """Name of the field."""
    cardinality: int
    """Number of rows D."""
    columns: int
    """Number of columns K of a set; the largest, if the sets differ."""
    itemsize: int
    """Bytes of a number."""
    spectra: tuple[Spectrum, ...]
    """One per set."""
    bits: Bits | None = None
    """Bits per number of the stored rows; None keeps the tables' type."""

    @cached_property
    def pooled(self) -> NDArray[np.float64]:
        """Square roots of the energies of the k-th directions, summed over the sets, shape (K,)."""
        squares = np.zeros(self.columns)
        for each in self.spectra:
            squares[: len(each.values)] += each.sigma**2
        return np.sqrt(squares)

    def size_for_energy(self, fraction: float) -> int:
        """Return the fewest directions per set that hold a fraction of the energy of all sets, at least 1."""
        return max(1, int(directions_for_energy(self.pooled, fraction=fraction)))

    def size_by_rule(self, factor: float, power: float) -> int:
        """Return factor D^power, from 1 to K."""
        return int(np.clip(round(factor * self.cardinality**power), 1, self.columns))

    @property
    def above_bulk(self) -> int:
        """Directions above the Marchenko-Pastur bulk, in the set that has most."""
        return max(int(directions_above_bulk(each.values, self.cardinality, len(each.V))) for each in self.spectra)

    @property
    def bytes_before(self) -> int:
        """Bytes of all sets as they are."""
        return self.cardinality * self.columns * self.itemsize * len(self.spectra)

    def bytes(self, size: int) -> int:
        """Return the bytes of all sets at a size: of two factors, or of the tables if these are not larger."""
        of_factors, of_table = stored_bytes(
            self.cardinality, self.columns, size, itemsize=self.itemsize, bits=self.bits
        )
        return (min(of_factors, of_table) if size < self.columns else of_table) * len(self.spectra)


def field_spectra(tables: TableSet, *, bits: Bits | None = None) -> tuple[FieldSpectra, ...]:
    """Decompose every set of every field.

    Parameters
    ----------
    tables : TableSet
        The tables.
    bits : {16, 8, 4}, optional
        Bits per number of the stored rows; None keeps the tables' type.

    Raises
    ------
    CollapseError
        If a table holds NaN or infinity.
    """
    spectra = iter(spectra_of_sets(tables))
    return tuple(
        FieldSpectra(
            field=table.field,
            cardinality=table.cardinality,
            columns=max(table.sizes),
            itemsize=as_array(table.E[:1]).dtype.itemsize,
            spectra=tuple(next(spectra) for _ in table.sizes),
            bits=bits,
        )
        for table in tables
    )


def size_table(factored: FactoredTables, fields: Sequence[FieldSpectra], sizes: Sequence[int]) -> pd.DataFrame:
    """Describe what every field uses, and what a size costs.

    Parameters
    ----------
    factored : FactoredTables
        The checkpoint.
    fields : sequence of FieldSpectra
        Result of `field_spectra`.
    sizes : sequence of int
        The recommended size of every field.

    Returns
    -------
    pandas.DataFrame
        One row per field: ``field``, ``cardinality``, ``columns`` of a set, ``sets``, ``k90``, ``k95`` and ``k99``
        (directions per set that hold these percentages of the energy), ``above_bulk``, ``ia_adjusted``, ``size``,
        ``bytes_before``, ``bytes_after`` and the fraction ``saved``.
    """
    adjusted = diagnose_factored(factored)["ia_adjusted"].to_numpy()
    frame = pd.DataFrame(
        [
            {
                "field": each.field,
                "cardinality": each.cardinality,
                "columns": each.columns,
                "sets": len(each.spectra),
                **{f"k{percent}": each.size_for_energy(percent / 100) for percent in (90, 95, 99)},
                "above_bulk": each.above_bulk,
                "ia_adjusted": float(value),
                "size": size,
                "bytes_before": each.bytes_before,
                "bytes_after": each.bytes(size),
            }
            for each, value, size in zip(fields, adjusted, sizes, strict=True)
        ]
    )
    return frame.assign(saved=1 - frame["bytes_after"] / frame["bytes_before"])


def cut_tables(
    tables: TableSet, fields: Sequence[FieldSpectra], sizes: Sequence[int]
) -> Mapping[tuple[int, int], NDArray[Any]]:
    """Return what is stored of every table that is cut or rounded.

    Returns
    -------
    mapping of (int, int) to (D, K) array
        By field and set. Tables that do not change are not among them.
    """
    return {
        (i, m): at_size(table.field, m, table.set(m), spectrum, size, bits=of_field.bits).table
        for i, (table, of_field, size) in enumerate(zip(tables, fields, sizes, strict=True))
        if size < of_field.columns or of_field.bits is not None
        for m, spectrum in enumerate(of_field.spectra)
    }
