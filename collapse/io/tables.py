"""What a checkpoint of any origin is read into: a table a field, and field maps.

Shapes: N fields, M sets, C_m columns of a field's table in set m, D rows of a table (cardinality).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.io.field_maps import FieldMaps


@dataclass(frozen=True, kw_only=True, repr=False)
class EmbeddingTable:
    """One field's embedding table: the sets E_i^(1) .. E_i^(M) of Section 5.1, side by side."""

    field: str
    """The field's name."""
    E: Any
    """The sets concatenated along the columns, as in Figure 8b: shape (D, sum_m C_m), floating; an array, or what
    has a shape and gives rows and columns by slices, such as a tensor on a device."""
    sizes: tuple[int, ...]
    """The columns C_m of every set: its embedding size K; of FFM (N - 1) K, as Appendix H counts."""
    row_counts: NDArray[np.int64] | None = None
    """How often each row was looked up in training, shape (D,); None if the checkpoint does not tell."""

    keys: tuple[str, ...] = ()
    """The tensors of a foreign file that it was taken from."""

    def __post_init__(self) -> None:
        if len(self.E.shape) != 2 or self.E.shape[0] < 1 or self.E.shape[1] < 1:
            raise ValueError(f"the table of field {self.field!r} has shape {tuple(self.E.shape)}, not (D, K)")
        if not self.sizes or min(self.sizes) < 1 or sum(self.sizes) != self.E.shape[1]:
            raise ValueError(
                f"the {self.E.shape[1]} columns of field {self.field!r} are not sets of {self.sizes} columns"
            )
        if self.row_counts is not None and self.row_counts.shape != (self.cardinality,):
            raise ValueError(f"field {self.field!r} has {self.cardinality} rows and other row counts")

    def __repr__(self) -> str:
        sets = f", {self.sets} sets" if self.sets > 1 else ""
        return f"<EmbeddingTable {self.field!r}: {self.cardinality:,} rows of {self.E.shape[1]} columns{sets}>"

    @property
    def cardinality(self) -> int:
        """The number of rows, D."""
        return int(self.E.shape[0])

    @property
    def sets(self) -> int:
        """The number of sets, M."""
        return len(self.sizes)

    def set(self, m: int) -> Any:
        """Return set m, from 0, as a view of shape (D, C_m)."""
        return self.columns_of_set(self.E, m)

    def columns_of_set(self, X: Any, m: int) -> Any:
        """Return the columns of set m of anything that has the table's columns, such as a factor of it."""
        start = sum(self.sizes[:m])
        return X[:, start : start + self.sizes[m]]


@dataclass(frozen=True, kw_only=True, repr=False)
class TableSet:
    """Everything that the analysis takes from one checkpoint."""

    name: str
    """The model with its size and whatever differs from its defaults."""
    source: str
    """Where it was read from."""
    tables: tuple[EmbeddingTable, ...]
    """One table a field, in the model's order."""
    field_maps: tuple[FieldMaps, ...] = ()
    """The maps of every layer and set; empty if the model has none."""
    description: Mapping[str, str] = field(default_factory=dict)
    """What to tell beside a number: data set, epoch, seeds."""
    skipped: tuple[str, ...] = ()
    """What of a foreign file was not taken for a table, each with the reason."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Tables of a foreign file that could not be read, by tensor, with the reason."""
    notes: tuple[str, ...] = ()
    """What had to be assumed of a foreign file, and what it does not tell."""
    validation_auc: float | None = None
    """The AUC of its model on validation rows; None if it does not say."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What two checkpoints of one model may differ in, by name: everything that its run was configured with."""

    def __repr__(self) -> str:
        rows = sum(table.cardinality for table in self.tables)
        K = " to ".join(str(size) for size in dict.fromkeys((self.sizes[0], self.sizes[-1])))
        sets = f", {self.sets} sets" if self.sets > 1 else ""
        fields = f"{len(self)} field{'s' * (len(self) != 1)}"
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
        """The field names, in the model's order."""
        return tuple(table.field for table in self.tables)

    @property
    def sets(self) -> int:
        """The number of sets, M: the most that a field has."""
        return max(table.sets for table in self.tables)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The different numbers of columns that a set of a field has, ascending: (K,) where all are alike."""
        return tuple(sorted({size for table in self.tables for size in table.sizes}))

    def layer(self, layer: int) -> tuple[FieldMaps, ...]:
        """Return the field maps of one layer, a set each, in the order of the sets."""
        return tuple(sorted((maps for maps in self.field_maps if maps.layer == layer), key=lambda maps: maps.set))


def _html_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [
        "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells)
        for tag, cells in (("th", heads), *(("td", row) for row in rows))
    ]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
