"""A few passes over each table; every measure after them works on its small spectrum.

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
from collapse.io.load import load
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.measures.centred import Centred
from collapse.measures.precision import machine_epsilon, rounding_noise, smallest_spacing
from collapse.measures.rows import RowMeasures, row_measures
from collapse.measures.spectra import Spectrum, decompose
from collapse.printable import printable


class BadTableError(CollapseError):
    """A table that cannot be measured, as it holds NaN or infinity, or is of a kind that is not read.

    Parameters
    ----------
    field : str
        The field.
    source : str
        The checkpoint.
    reason : str
        What is wrong, such as ``row 3 holds NaN or infinity``.
    """

    def __init__(self, field: str, source: str, reason: str) -> None:
        super().__init__(f"field {field!r} of {source}: {reason}")
        self.field = field


class Decomposer(Protocol):
    """What measures long tables elsewhere."""

    def takes(self, table: EmbeddingTable) -> bool:
        """Tell whether it wants a table."""

    def measure(
        self, number: int, table: EmbeddingTable, weights: NDArray[Any] | None, tolerance: float
    ) -> tuple[Spectrum, RowMeasures]:
        """Do what `decompose` and `row_measures` do."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FactoredTable:
    """A table's singular values and vectors, and what else its passes gave."""

    field: str
    """The field's name."""
    cardinality: int
    """All rows of the table, D."""
    rows: int
    """The rows that entered, those of positive weight."""
    weights: NDArray[Any] | None
    """Their weights, shape (D,): booleans choose rows, numbers weight them; None if all rows entered alike."""
    rows_trained: int | None
    """The rows looked up in training; None if it is not known."""
    of_rows: RowMeasures
    """What the rows that entered tell by themselves."""
    spectrum: Spectrum
    """Singular values and right singular vectors, R of them."""
    eps: float
    """The machine epsilon of the table's type."""
    spacing: float
    """The spacing of the type's smallest numbers, over the scale of the spectrum."""

    @property
    def noise(self) -> float:
        """What rounding to the table's type leaves in its singular values (`rounding_noise`), over their scale."""
        return rounding_noise(self.spectrum.values, self.rows, self.columns, eps=self.eps, spacing=self.spacing)

    @property
    def columns(self) -> int:
        """All columns of the table, M K."""
        return len(self.spectrum.V)

    @property
    def sigma(self) -> NDArray[np.float64]:
        """The singular values, descending, shape (R,)."""
        return self.spectrum.sigma


@dataclass(frozen=True, kw_only=True, eq=False)
class FactoredTables:
    """A checkpoint's tables, factored when a factor is first asked for."""

    tables: TableSet
    """Where they come from."""
    settings: AnalysisSettings
    """What enters."""
    decomposer: Decomposer | None = None
    """What decomposes long tables elsewhere; None for here."""
    given: tuple[FactoredTable, ...] | None = None
    """What was measured, where it is there already."""

    @cached_property
    def measured(self) -> tuple[FactoredTable, ...]:
        """One a field, in the model's order; raises what `factorise` raises."""
        if self.given is not None:
            return self.given
        return tuple(
            _factored(number, table, self.tables.source, self.settings, self.decomposer)
            for number, table in _numbered(self.tables)
        )

    @property
    def rows(self) -> Rows:
        """Which rows entered: those asked for, or all where it is not known of any table which were trained."""
        known = self.settings.rows != "trained" or any(table.row_counts is not None for table in self.tables)
        return self.settings.rows if known else "all"

    def __iter__(self) -> Iterator[FactoredTable]:
        return iter(self.measured)


def factorise(
    source: Any, settings: AnalysisSettings | None = None, *, decomposer: Decomposer | None = None
) -> FactoredTables:
    """Factor every table, the sets of a field side by side as in Figure 8b.

    Parameters
    ----------
    source : str, Path or object
        A checkpoint or model, as `collapse.load` takes it. Tables that are factored already stay as they are.
    settings : AnalysisSettings, optional
        Which rows enter, and what counts as near zero.
    decomposer : Decomposer, optional
        What decomposes long tables elsewhere, such as on a cluster.

    Returns
    -------
    FactoredTables
        One factor a field, there at once.

    Raises
    ------
    CollapseError
        If no tables can be read from it, one holds NaN or infinity, or rows are to be weighted by how often they
        were looked up and that is not known.
    """
    if isinstance(source, FactoredTables):
        return source
    factored = FactoredTables(tables=load(source), settings=settings or AnalysisSettings(), decomposer=decomposer)
    _ = factored.measured
    return factored


def factorise_readable(
    tables: TableSet, settings: AnalysisSettings, *, decomposer: Decomposer | None = None
) -> tuple[FactoredTables, tuple[BadTableError, ...]]:
    """Factor every table that can be, so that a bad one does not deny the others.

    Parameters
    ----------
    tables, settings, engine
        As for `factorise`.

    Returns
    -------
    factored : FactoredTables
        Of the tables that could be measured. Without field maps if one could not, as they are of all fields.
    bad : tuple of BadTableError
        What is wrong with the others, which names field and row.

    Raises
    ------
    CollapseError
        If no table can be measured, or rows are to be weighted by how often they were looked up and that is not
        known.
    """
    good: list[tuple[EmbeddingTable, FactoredTable]] = []
    bad: list[BadTableError] = []
    unread = [
        BadTableError(name, tables.source, f"a table of this kind is not read ({reason})")
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
    """Yield the tables with their numbers, and show how far it is."""
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
                    "--centred cannot be combined with --engine: only whole tables are centred here"
                )
            spectrum, of_rows = decomposer.measure(number, table, weights, settings.near_zero)
        else:
            of_rows = row_measures(table.E, weights=weights, counts=counts, tolerance=settings.near_zero)
            E = Centred(table.E, of_rows.sums.mean) if settings.centred else table.E
            spectrum = decompose(E, weights=weights)
            if settings.centred:
                of_rows = replace(of_rows, sums=of_rows.sums.centred())
    except ValueError as error:
        raise BadTableError(table.field, source, str(error)) from error
    return FactoredTable(
        field=table.field,
        cardinality=table.cardinality,
        rows=table.cardinality if weights is None else int(np.count_nonzero(weights)),
        weights=weights,
        rows_trained=None if table.row_counts is None else int(np.count_nonzero(table.row_counts)),
        of_rows=of_rows,
        spectrum=spectrum,
        eps=machine_epsilon(table.E.dtype),
        spacing=smallest_spacing(table.E.dtype) / spectrum.scale,
    )


def _weights(table: EmbeddingTable, source: str, settings: AnalysisSettings) -> NDArray[Any] | None:
    """Return the weights of the rows; None where all enter alike."""
    counts = table.row_counts
    if settings.rows == "all" or (settings.rows == "trained" and counts is None):
        return None
    if counts is None:
        raise CollapseError(
            f"{source} does not say how often the rows of field {table.field!r} were looked up in training: "
            "--row-counts gives a file of that"
        )
    if settings.rows == "trained":
        # A field that was never looked up is measured as it is, and not judged.
        return None if counts.all() or not counts.any() else counts > 0
    if not counts.any():
        raise CollapseError(
            f"no row of field {table.field!r} of {source} was looked up in training: use --rows all"
        )
    return np.asarray(counts, dtype=np.float64)
