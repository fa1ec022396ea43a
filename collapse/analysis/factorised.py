"""Spectra of all tables, from a few passes over each. Every measure is computed from these.

Shapes: N fields, K embedding size, M sets, D rows of a table (cardinality), R = min(D, M K) singular values.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from collapse.analysis.settings import AnalysisSettings, Rows
from collapse.errors import CollapseError
from collapse.io.blocks import Window, is_mapped
from collapse.io.load import load
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.measures.centred import Centred
from collapse.measures.one_pass import measure_and_decompose
from collapse.measures.precision import precision, rounding_noise
from collapse.measures.rows import RowMeasures, row_measures
from collapse.measures.spectra import Spectrum, decompose, is_short
from collapse.printable import printable

_LARGE = 1 << 28
"""Bytes above which a mapped table is read once and released on the way, instead of staying in memory."""


class BadTableError(CollapseError):
    """A table cannot be measured, because it holds NaN or infinity or is of an unreadable kind.

    Parameters
    ----------
    field : str
        Name of the field.
    source : str
        The checkpoint.
    reason : str
        What is wrong, such as ``row 3 holds NaN or infinity``.
    """

    def __init__(self, field: str, source: str, reason: str) -> None:
        super().__init__(f"field {field!r} of {source}: {reason}")
        self.field = field


class Decomposer(Protocol):
    """Measures long tables elsewhere, for example on a cluster."""

    def takes(self, table: EmbeddingTable) -> bool:
        """Return whether it measures this table."""

    def measure(
        self, number: int, table: EmbeddingTable, weights: NDArray[Any] | None, tolerance: float
    ) -> tuple[Spectrum, RowMeasures]:
        """Return the same as `decompose` and `row_measures`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FactoredTable:
    """Spectrum of a table, and everything else that its passes gave."""

    field: str
    """Name of the field."""
    cardinality: int
    """Number of rows D of the table."""
    rows: int
    """Number of rows that were measured, those with positive weight."""
    weights: NDArray[Any] | None
    """Weights of the rows, shape (D,): booleans select rows, numbers weight them; None if all rows count
    equally."""
    rows_trained: int | None
    """Number of rows that training looked up; None if unknown."""
    of_rows: RowMeasures
    """Measures of the rows that were measured."""
    spectrum: Spectrum
    """The R singular values and right singular vectors."""
    eps: float
    """Machine epsilon of the table's type."""
    spacing: float
    """Spacing of the type's smallest numbers, relative to the scale of the spectrum."""

    @property
    def noise(self) -> float:
        """Rounding noise of the table's type in its spectrum (`rounding_noise`), in the units of `spectrum`."""
        return rounding_noise(self.spectrum.values, self.rows, self.columns, eps=self.eps, spacing=self.spacing)

    @property
    def columns(self) -> int:
        """Number of columns of the table, M K."""
        return len(self.spectrum.V)

    @property
    def sigma(self) -> NDArray[np.float64]:
        """Singular values, descending, shape (R,)."""
        return self.spectrum.sigma


@dataclass(frozen=True, kw_only=True, eq=False)
class FactoredTables:
    """Tables of a checkpoint with their spectra, which are computed when first needed."""

    tables: TableSet
    """The tables."""
    settings: AnalysisSettings
    """Settings of the analysis."""
    decomposer: Decomposer | None = None
    """Decomposes long tables elsewhere; None to do it here."""
    given: tuple[FactoredTable, ...] | None = None
    """Spectra that are already known."""

    @cached_property
    def measured(self) -> tuple[FactoredTable, ...]:
        """One per field, in the model's order. Raises what `factorise` raises."""
        if self.given is not None:
            return self.given
        return tuple(
            _factored(number, table, self.tables.source, self.settings, self.decomposer)
            for number, table in _numbered(self.tables)
        )

    @property
    def rows(self) -> Rows:
        """Rows that were measured: those of the settings, or all if row counts are unknown for every table."""
        known = self.settings.rows != "trained" or any(table.row_counts is not None for table in self.tables)
        return self.settings.rows if known else "all"

    def __iter__(self) -> Iterator[FactoredTable]:
        return iter(self.measured)


def factorise(
    source: Any, settings: AnalysisSettings | None = None, *, decomposer: Decomposer | None = None
) -> FactoredTables:
    """Compute the spectrum of every table, with the sets of a field concatenated as in Figure 8b.

    Parameters
    ----------
    source : str, Path or object
        A checkpoint or model, as `collapse.load` takes it. A `FactoredTables` is returned unchanged.
    settings : AnalysisSettings, optional
        Which rows are used, and what counts as near zero.
    decomposer : Decomposer, optional
        Decomposes long tables elsewhere, for example on a cluster.

    Returns
    -------
    FactoredTables
        The tables with their spectra.

    Raises
    ------
    CollapseError
        If no tables can be read from `source`, one holds NaN or infinity, or rows are to be weighted by row counts
        that are unknown.
    """
    if isinstance(source, FactoredTables):
        return source
    factored = FactoredTables(tables=load(source), settings=settings or AnalysisSettings(), decomposer=decomposer)
    _ = factored.measured
    return factored


def factorise_readable(
    tables: TableSet, settings: AnalysisSettings, *, decomposer: Decomposer | None = None
) -> tuple[FactoredTables, tuple[BadTableError, ...]]:
    """Compute the spectra of all tables that can be measured, so that a bad table does not affect the others.

    Parameters
    ----------
    tables, settings, decomposer
        As for `factorise`.

    Returns
    -------
    factored : FactoredTables
        The tables that could be measured. If one could not, field maps are left out, because they cover all
        fields.
    bad : tuple of BadTableError
        What is wrong with the others, with field and row.

    Raises
    ------
    CollapseError
        If no table can be measured, or rows are to be weighted by row counts that are unknown.
    """
    good: list[tuple[EmbeddingTable, FactoredTable]] = []
    bad: list[BadTableError] = []
    unread = [
        BadTableError(name, tables.source, f"tables of this kind cannot be read ({reason})")
        for name, reason in tables.unread.items()
    ]
    for number, table in _numbered(tables):
        try:
            good.append((table, _factored(number, table, tables.source, settings, decomposer)))
        except BadTableError as error:
            bad.append(error)
    if not good:
        raise bad[0]
    kept, measured = zip(*good, strict=True)
    if bad:
        notes = (*tables.notes, *(f"left out: {error}" for error in bad))
        tables = replace(tables, tables=kept, field_maps=(), notes=notes)
    return FactoredTables(tables=tables, settings=settings, decomposer=decomposer, given=measured), (*bad, *unread)


def _numbered(tables: TableSet) -> Iterator[tuple[int, EmbeddingTable]]:
    """Yield the tables with their numbers, and show progress."""
    name = printable(tables.name)
    yield from enumerate(tqdm(tables, desc=name, total=len(tables), unit="fields", leave=False, disable=None))


def _factored(
    number: int, table: EmbeddingTable, source: str, settings: AnalysisSettings, decomposer: Decomposer | None
) -> FactoredTable:
    weights, counts = _weights(table, source, settings), table.row_counts
    try:
        if decomposer is not None and decomposer.takes(table):
            if settings.centred:
                raise CollapseError(
                    "--centred cannot be combined with --engine, because only whole tables can be centred"
                )
            spectrum, of_rows = decomposer.measure(number, table, weights, settings.near_zero)
        else:
            spectrum, of_rows = _measured(table.E, weights, counts, settings)
    except ValueError as error:
        raise BadTableError(table.field, source, str(error)) from error
    eps, spacing = precision(table.E)
    return FactoredTable(
        field=table.field,
        cardinality=table.cardinality,
        rows=table.cardinality if weights is None else int(np.count_nonzero(weights)),
        weights=weights,
        rows_trained=None if table.row_counts is None else int(np.count_nonzero(table.row_counts)),
        of_rows=of_rows,
        spectrum=spectrum,
        eps=eps,
        spacing=spacing / spectrum.scale,
    )


def _measured(
    E: Any, weights: NDArray[Any] | None, counts: NDArray[Any] | None, settings: AnalysisSettings
) -> tuple[Spectrum, RowMeasures]:
    """Measure a table here. One that is mapped and large is read once, and released on the way."""
    rows, columns = int(E.shape[0]), int(E.shape[1])
    is_large = is_mapped(E) and rows * columns * E.dtype.itemsize > _LARGE and not is_short(rows, columns)
    if is_large and not settings.centred:
        of_rows, spectrum = measure_and_decompose(
            Window(E), weights=weights, counts=counts, tolerance=settings.near_zero
        )
        return spectrum, of_rows
    of_rows = row_measures(E, weights=weights, counts=counts, tolerance=settings.near_zero)
    if not settings.centred:
        return decompose(E, weights=weights), of_rows
    spectrum = decompose(Centred(E, of_rows.sums.mean), weights=weights)
    return spectrum, replace(of_rows, sums=of_rows.sums.centred())


def _weights(table: EmbeddingTable, source: str, settings: AnalysisSettings) -> NDArray[Any] | None:
    """Return the weights of the rows; None if all count equally."""
    counts = table.row_counts
    if settings.rows == "all" or (settings.rows == "trained" and counts is None):
        return None
    if counts is None:
        raise CollapseError(
            f"{source} does not say how often training looked up the rows of field {table.field!r}: pass a file "
            "with --row-counts"
        )
    if settings.rows == "trained":
        # A field that was never looked up is measured, but not judged.
        return None if counts.all() or not counts.any() else counts > 0
    if not counts.any():
        raise CollapseError(f"training looked up no row of field {table.field!r} of {source}: use --rows all")
    return np.asarray(counts, dtype=np.float64)
