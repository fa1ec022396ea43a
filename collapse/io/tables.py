"""The form that every checkpoint is read into: one table per field, and field maps.

Shapes: N fields, M sets, C_m columns of a field's table in set m, D rows of a table (cardinality).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.io.field_maps import FieldMaps
from collapse.printable import counted


@dataclass(frozen=True, kw_only=True, repr=False)
class EmbeddingTable:
    """Embedding table of one field: the concatenated sets E_i^(1) .. E_i^(M) of Section 5.1."""

    field: str
    """Name of the field."""
    E: Any
    """The sets, concatenated along the columns as in Figure 8b: shape (D, sum_m C_m), floating. An array, or an
    object with a shape that can be sliced by rows and columns, such as a tensor on a device."""
    sizes: tuple[int, ...]
    """Number of columns C_m of every set: its embedding size K, or (N - 1) K for FFM, as Appendix H counts."""
    row_counts: NDArray[np.int64] | None = None
    """How often training looked up each row, shape (D,); None if unknown."""

    keys: tuple[str, ...] = ()
    """Tensors of a foreign file that the table is from."""

    def __post_init__(self) -> None:
        if len(self.E.shape) != 2 or self.E.shape[0] < 1 or self.E.shape[1] < 1:
            raise ValueError(
                f"the table of field {self.field!r} must have shape (D, K), got {tuple(self.E.shape)}"
            )
        if not self.sizes or min(self.sizes) < 1 or sum(self.sizes) != self.E.shape[1]:
            raise ValueError(
                f"the {self.E.shape[1]} columns of field {self.field!r} do not split into sets of {self.sizes} "
                "columns"
            )
        if self.row_counts is not None and self.row_counts.shape != (self.cardinality,):
            raise ValueError(f"field {self.field!r} has {self.cardinality} rows but other row counts")

    def __repr__(self) -> str:
        sets = f", {self.sets} sets" if self.sets > 1 else ""
        return f"<EmbeddingTable {self.field!r}: {self.cardinality:,} rows of {self.E.shape[1]} columns{sets}>"

    @property
    def cardinality(self) -> int:
        """Number of rows D."""
        return int(self.E.shape[0])

    @property
    def sets(self) -> int:
        """Number of sets M."""
        return len(self.sizes)

    def set(self, m: int) -> Any:
        """Return the set with index m, as a view of shape (D, C_m)."""
        return self.columns_of_set(self.E, m)

    def columns_of_set(self, X: Any, m: int) -> Any:
        """Return the columns of set m of any matrix with the table's columns, such as a factor of it."""
        start = sum(self.sizes[:m])
        return X[:, start : start + self.sizes[m]]


@dataclass(frozen=True, kw_only=True, repr=False)
class TableSet:
    """Everything that an analysis needs from one checkpoint."""

    name: str
    """The model with its size and the settings that differ from their defaults."""
    source: str
    """Where it was read from."""
    tables: tuple[EmbeddingTable, ...]
    """One table per field, in the model's order."""
    field_maps: tuple[FieldMaps, ...] = ()
    """Field maps of every layer and set; empty if the model has none."""
    description: Mapping[str, str] = field(default_factory=dict)
    """Provenance of the numbers: data set, epoch, seeds."""
    skipped: tuple[str, ...] = ()
    """Tensors of a foreign file that are not tables, each with the reason."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Tables of a foreign file that could not be read, by tensor name, with the reason."""
    notes: tuple[str, ...] = ()
    """Assumptions about a foreign file, and what it does not say."""
    validation_auc: float | None = None
    """AUC of the model on validation rows; None if unknown."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings in which two checkpoints of one model may differ: the configuration of the run by name."""

    def __repr__(self) -> str:
        rows = sum(table.cardinality for table in self.tables)
        K = " to ".join(str(size) for size in dict.fromkeys((self.sizes[0], self.sizes[-1])))
        sets = f", {self.sets} sets" if self.sets > 1 else ""
        fields = counted(len(self), "field")
        return f"<TableSet {self.name}: {fields}, {rows:,} rows, K = {K}{sets}>"

    def _repr_html_(self) -> str:
        heads = ("field", "rows", "columns", "sets")
        rows = [(each.field, f"{each.cardinality:,}", each.E.shape[1], each.sets) for each in self.tables]
        return f"<p>{escape(repr(self))}</p>{_html_table(heads, rows)}"

    def __iter__(self) -> Iterator[EmbeddingTable]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, in the model's order."""
        return tuple(table.field for table in self.tables)

    @cached_property
    def sets(self) -> int:
        """Number of sets M: the largest number that any field has."""
        return max(table.sets for table in self.tables)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The distinct numbers of columns of a set, ascending: (K,) if all are equal."""
        return tuple(sorted({size for table in self.tables for size in table.sizes}))

    def layer(self, layer: int) -> tuple[FieldMaps, ...]:
        """Return the field maps of one layer, one per set."""
        return tuple(sorted((maps for maps in self.field_maps if maps.layer == layer), key=lambda maps: maps.set))


def _html_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [
        "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells)
        for tag, cells in (("th", heads), *(("td", row) for row in rows))
    ]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
