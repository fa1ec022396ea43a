"""Content of a checkpoint of this project.

Apart from the weights, a checkpoint holds the configuration of the run, the schema of the data with the number of
training rows per value, and a layout that says where the tables and maps of every field are, set by set. A reader
needs no knowledge of the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collapse.io.torch_file import Unreadable

FORMAT = "embedding-collapse checkpoint"
FORMAT_VERSION = 2


Span = tuple[int, int]
"""A first index, and one past the last."""
FLOATS = ("float16", "bfloat16", "float32", "float64")
"""Types that a table or a field map may have."""


@dataclass(frozen=True, kw_only=True)
class TableKey:
    """Position of a field's table of one set: a part of a tensor of the state dict."""

    field: int
    """Index of the field."""
    set: int
    """Index of the set."""
    key: str
    """Key of the tensor."""
    rows: Span
    """Rows of the table in the tensor, D_i in total."""
    columns: Span
    """Columns of the table in the tensor."""
    projection: tuple[str, int, int] | None = None
    """Key of a tensor of shape (M, G, k, K) and an index into it: the matrix P that multiplies this part, U of
    D x k, for the table E = U P. None if this part is the table itself."""

    @property
    def size(self) -> int:
        """Number of columns."""
        return self.columns[1] - self.columns[0]


@dataclass(frozen=True, kw_only=True)
class MapsKey:
    """Position of the field maps A_ij of one layer of one set, E_i^{->j} = E_i A_ij."""

    layer: int
    """Index of the layer."""
    set: int
    """Index of the set."""
    weight: str | None = None
    """Key of a matrix that acts as y = W x on the concatenated fields. A_ij is the transpose of its block [j, i],
    W_{i->j}."""
    factors: str | None = None
    """Key of the (N, N) numbers n[j, i] that multiply W_{i->j}; None if there are none."""
    columns: tuple[tuple[Span | None, ...], ...] | None = None
    """For maps that select columns of E_i, as in FFM: the selected columns for every i and j; None if there is no
    E_i^{->j}."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Positions of the embedding tables and field maps in a state dict."""

    tables: tuple[TableKey, ...]
    """Tables of every field and set."""
    maps: tuple[MapsKey, ...] = ()
    """Field maps of every set and layer; empty if the interaction has none."""

    def of_field(self, field: int) -> tuple[TableKey, ...]:
        """Return the tables of one field in the order of the sets."""
        return tuple(sorted((item for item in self.tables if item.field == field), key=lambda item: item.set))

    def of_set(self, set_: int) -> tuple[TableKey, ...]:
        """Return the tables of one set in the order of the fields."""
        return tuple(sorted((item for item in self.tables if item.set == set_), key=lambda item: item.field))

    def sizes(self, set_: int) -> tuple[int, ...]:
        """Return the number of columns of every field's table of one set, in the order of the fields."""
        return tuple(item.size for item in self.of_set(set_))


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Content of one checkpoint file."""

    name: str
    """Name of the model with its size."""
    config: Mapping[str, Any]
    """Complete configuration of the run as plain values, including seeds."""
    fields: tuple[str, ...]
    """Names of the fields, in the model's order."""
    cardinalities: tuple[int, ...]
    """Cardinalities D_i of the fields."""
    row_counts: Any
    """How often each row was looked up in one pass over the training rows, shape (sum D_i,), int64."""
    layout: Layout
    """Positions of tables and field maps."""
    state_dict: Mapping[str, Any]
    """Parameters and buffers of the model: tensors, or arrays if it was read for an analysis."""
    data: Mapping[str, Any]
    """Name and hash of the data set, and number of rows of each split."""
    results: Mapping[str, Any]
    """Epoch of the weights, and metrics measured with them."""
    versions: Mapping[str, str]
    """Versions of Python, torch and this package."""
    training_state: Mapping[str, Any] | None = None
    """State for resuming training; None in a checkpoint that is only read."""


def flat_config(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings under dotted names, such as ``seeds.order``."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= flat_config(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def dtype_of(value: Any) -> str:
    """Return the type of a tensor or an array, or a description of any other object."""
    if isinstance(value, Unreadable):
        return value.kind
    if not hasattr(value, "dtype"):
        return f"a {type(value).__name__}"
    # The NumPy name omits the byte order.
    return str(getattr(value.dtype, "name", value.dtype)).removeprefix("torch.")
