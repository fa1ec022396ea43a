"""What a checkpoint of this project holds.

Beside the weights it holds the run's configuration, the data's schema with the number of training rows a value,
and a layout that tells where every field's tables and maps lie, set by set; a reader needs no knowledge of the
model that wrote it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collapse.io.torch_file import Unreadable

FORMAT = "embedding-collapse checkpoint"
FORMAT_VERSION = 2


Span = tuple[int, int]
"""A first index and the one after the last."""
FLOATS = ("float16", "bfloat16", "float32", "float64")
"""The types that a table or a field map may have."""


@dataclass(frozen=True, kw_only=True)
class TableKey:
    """Where one field's table of one set lies: a part of a tensor of the state dict."""

    field: int
    """The field, from 0."""
    set: int
    """The set, from 0."""
    key: str
    """The tensor's key."""
    rows: Span
    """The table's rows in it, D_i in all."""
    columns: Span
    """The table's columns in it: an embedding size of its own."""

    @property
    def size(self) -> int:
        """The number of its columns."""
        return self.columns[1] - self.columns[0]


@dataclass(frozen=True, kw_only=True)
class MapsKey:
    """Where the field maps A_ij of one layer of one set lie: E_i^{->j} = E_i A_ij."""

    layer: int
    """The layer, from 0."""
    set: int
    """The set, from 0."""
    weight: str | None = None
    """Key of a matrix that acts as y = W x on the fields side by side; A_ij is W_{i->j}^T, of its block [j, i]."""
    factors: str | None = None
    """Key of the (N, N) numbers n[j, i] that multiply W_{i->j}; None if nothing does."""
    columns: tuple[tuple[Span | None, ...], ...] | None = None
    """Where A_ij is a choice of columns of E_i, as in FFM: which, for every i and j; None for no E_i^{->j}."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which tensors of a state dict are embedding tables and field maps."""

    tables: tuple[TableKey, ...]
    """Every field's table of every set."""
    maps: tuple[MapsKey, ...] = ()
    """The field maps of every set and layer; empty for an interaction without them."""

    def of_field(self, field: int) -> tuple[TableKey, ...]:
        """Return the tables of one field in the order of the sets."""
        return tuple(sorted((item for item in self.tables if item.field == field), key=lambda item: item.set))

    def sizes(self, set_: int) -> tuple[int, ...]:
        """Return the columns of every field's table of one set, in the order of the fields."""
        of_set = sorted((item for item in self.tables if item.set == set_), key=lambda item: item.field)
        return tuple(item.size for item in of_set)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What one checkpoint file holds."""

    name: str
    """The model's name, with its size."""
    config: Mapping[str, Any]
    """The run's whole configuration as plain values, seeds included."""
    fields: tuple[str, ...]
    """The field names, in the model's order."""
    cardinalities: tuple[int, ...]
    """The rows D_i of every field's table."""
    row_counts: Any
    """How often each row was looked up in one pass over the training rows, shape (sum D_i,), int64."""
    layout: Layout
    """Which tensors are what."""
    state_dict: Mapping[str, Any]
    """The model's parameters and buffers: tensors, or arrays where it was read for an analysis."""
    data: Mapping[str, Any]
    """The data set: name, hash, number of rows of each split."""
    results: Mapping[str, Any]
    """The epoch these weights are from and what was measured with them."""
    versions: Mapping[str, str]
    """The versions of Python, torch and this package."""
    training_state: Mapping[str, Any] | None = None
    """What resuming needs beside the weights; None in a checkpoint that is only to be read."""


def flat_config(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the settings of a nested configuration by dotted names, such as ``seeds.order``."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= flat_config(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def dtype_of(value: Any) -> str:
    """Return the name of a tensor's or an array's type, and what is no such thing in words."""
    if isinstance(value, Unreadable):
        return value.kind
    if not hasattr(value, "dtype"):
        return f"a {type(value).__name__}"
    # NumPy's name leaves out the order of bytes.
    return str(getattr(value.dtype, "name", value.dtype)).removeprefix("torch.")
