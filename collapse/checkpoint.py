"""The project's checkpoint: one `.pt` file that loads without running code and says everything about itself.

The file is a plain dictionary of strings, numbers and tensors, so `torch.load(path, weights_only=True)` reads it.
Beside the weights it holds the run's configuration, the data's schema with the number of training rows a value,
and a layout that tells where every field's tables and maps lie, set by set; a reader needs no knowledge of the
model that wrote it.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec

from collapse.errors import CollapseError
from collapse.files import atomic_write, explained
from collapse.torch_file import Unreadable, as_tensors, read_torch_file
from collapse.torch_file.bounds import entries_unfolded

FORMAT = "embedding-collapse checkpoint"
FORMAT_VERSION = 2


Count = Annotated[int, msgspec.Meta(ge=1)]
Index = Annotated[int, msgspec.Meta(ge=0)]
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


@dataclass(frozen=True, kw_only=True)
class _Data:
    name: str
    sha256: str = ""
    rows: dict[str, Index] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Seeds:
    split: int
    initialisation: int
    order: int


@dataclass(frozen=True, kw_only=True)
class _Config:
    seeds: _Seeds


@dataclass(frozen=True, kw_only=True)
class _Results:
    epoch: Index


@dataclass(frozen=True, kw_only=True)
class _Plain:
    """The plain parts of every checkpoint, whatever else stands in them."""

    name: str
    fields: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    cardinalities: tuple[Count, ...]
    config: _Config
    data: _Data
    results: _Results
    versions: dict[str, str]
    layout: dict[str, Any]
    state_dict: dict[str, Any]
    training_state: dict[str, Any] | None


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    checkpoint : Checkpoint
        What to write.

    Raises
    ------
    CollapseError
        If the file cannot be written; what it held before is kept.
    """
    content = {item.name: getattr(checkpoint, item.name) for item in fields(checkpoint)}
    content |= {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "layout": asdict(checkpoint.layout),
    }
    import torch

    with explained("write", path), atomic_write(path) as file:
        try:
            torch.save(_canonical(content), file)
        except RuntimeError as error:
            # torch's archive writer reports a full disk as its own failure, with the cause behind it.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path, *, arrays: bool = False, verify: bool = True) -> Checkpoint:
    """Read a checkpoint, its tensors mapped from the file and not copied.

    Parameters
    ----------
    path : Path
        A file that `save_checkpoint` wrote.
    arrays : bool
        Whether tensors come as NumPy's arrays, for which torch, slow to start, need not be loaded.
    verify : bool
        Whether the bytes of what is read are compared with the archive's checksums.

    Returns
    -------
    Checkpoint
        Its content, on the CPU.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, not a checkpoint of this project, of a later format, or would have to
        run code to be read.
    """
    return to_checkpoint(read_torch_file(path, verify=verify), path, arrays=arrays)


def is_checkpoint(content: Any) -> bool:
    """Tell whether what a torch file holds is a checkpoint of this project, if one with a damaged mark."""
    return isinstance(content, dict) and (_is_marked(content) or {"layout", "row_counts"} <= content.keys())


def _is_marked(content: Any) -> bool:
    mark = content.get("format") if isinstance(content, dict) else None
    return isinstance(mark, str) and mark == FORMAT


def to_checkpoint(content: Any, path: Path, *, arrays: bool = False) -> Checkpoint:
    """Check what a torch file holds, and take it for a checkpoint.

    Parameters
    ----------
    content : Any
        What the file holds.
    path : Path
        The file, for errors.
    arrays : bool
        Whether tensors stay NumPy's arrays.

    Returns
    -------
    Checkpoint
        The same.

    Raises
    ------
    CollapseError
        If it is none, or is damaged.
    """
    if not _is_marked(content):
        raise CollapseError(f"{path} is a torch file but no checkpoint of this project: it has no format mark")
    version = content.get("format_version")
    if not isinstance(version, int):
        raise CollapseError(f"{path} is damaged: its format_version is not a whole number")
    if version != FORMAT_VERSION:
        raise CollapseError(
            f"{path} has checkpoint format {version!r}, and this version reads format {FORMAT_VERSION}: "
            "install the version that wrote it"
        )
    missing = [item.name for item in fields(Checkpoint) if item.name not in content]
    if missing:
        raise CollapseError(f"{path} lacks the key {missing[0]!r} of a checkpoint: it is damaged")
    try:
        if entries_unfolded(content) > _MOST_ENTRIES:
            raise ValueError("it holds one thing in so many places that no walk through it would end")
        plain = msgspec.convert(content, _Plain)
        checkpoint = Checkpoint(
            **{item.name: content[item.name] for item in fields(Checkpoint) if item.name not in _AS_DECLARED},
            fields=plain.fields,
            cardinalities=plain.cardinalities,
            layout=msgspec.convert(plain.layout, Layout),
        )
        flat_config(checkpoint.config)
        _check(checkpoint)
    except (msgspec.ValidationError, TypeError, ValueError, AttributeError) as error:
        raise CollapseError(f"{path} is damaged: {error}") from error
    except RecursionError as error:
        raise CollapseError(f"{path} is damaged: it is nested without end") from error
    if arrays:
        return checkpoint
    return replace(
        checkpoint,
        row_counts=as_tensors(checkpoint.row_counts),
        state_dict=as_tensors(checkpoint.state_dict),
        training_state=as_tensors(checkpoint.training_state),
    )


def flat_config(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the settings of a nested configuration by dotted names, such as ``seeds.order``."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= flat_config(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


_MOST_ENTRIES = 10_000_000
"""Of a checkpoint: one of 100,000 fields has a tenth of that."""
_AS_DECLARED = ("fields", "cardinalities", "layout")
"""What is taken in the form of its declared type."""


def _canonical(value: Any) -> Any:
    """Rebuild containers and share equal strings, so that equal contents give equal bytes; tensors on the CPU.

    A plain ``torch.load`` then reads what a GPU made.
    """
    import torch

    if isinstance(value, str):
        return sys.intern(str(value))
    if isinstance(value, torch.Tensor):
        return value.cpu()
    if isinstance(value, Mapping):
        return {_canonical(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_canonical(item) for item in value)
    return value


def _check(checkpoint: Checkpoint) -> None:
    layout, N, D = checkpoint.layout, len(checkpoint.fields), checkpoint.cardinalities
    if len(D) != N:
        raise ValueError(f"it names {N} fields and {len(D)} cardinalities")
    if twice := [name for name, count in Counter(checkpoint.fields).items() if count > 1]:
        raise ValueError(f"it has two fields of the name {twice[0]!r}")
    for text in (checkpoint.name, *checkpoint.fields, checkpoint.data["name"]):
        text.encode()
    counts = checkpoint.row_counts
    if dtype_of(counts) != "int64" or tuple(counts.shape) != (sum(D),) or bool((counts < 0).any()):
        raise ValueError(f"its counts of training rows are not {sum(D)} whole numbers from 0 on, one a value")
    if unknown := [item.field for item in layout.tables if item.field not in range(N)]:
        raise ValueError(f"its layout names the field {unknown[0]}, and there are {N}")
    sets = [[item.set for item in layout.of_field(i)] for i in range(N)]
    for i, of_field in enumerate(sets):
        if not of_field or of_field != list(range(len(of_field))) or of_field != sets[0]:
            raise ValueError(f"its layout gives field {checkpoint.fields[i]!r} the sets {of_field}")
    for table in layout.tables:
        shape = _shape(checkpoint, table.key)
        (top, bottom), (left, right) = table.rows, table.columns
        if len(shape) != 2 or not (0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]):
            raise ValueError(
                f"tensor {table.key!r} has shape {shape}: rows {top} to {bottom} and columns {left} to {right} "
                "are not all in it"
            )
        if bottom - top != D[table.field]:
            raise ValueError(
                f"field {checkpoint.fields[table.field]!r} has {D[table.field]} values and {bottom - top} rows"
            )
    for maps in layout.maps:
        _check_maps(checkpoint, maps)


def _check_maps(checkpoint: Checkpoint, maps: MapsKey) -> None:
    N = len(checkpoint.fields)
    if not 0 <= maps.set < len(checkpoint.layout.of_field(0)):
        raise ValueError(f"it has field maps of set {maps.set}, which is not there")
    if (maps.weight is None) is (maps.columns is None):
        raise ValueError("its field maps are a matrix or a choice of columns, and not both")
    sizes = checkpoint.layout.sizes(maps.set)
    expected = {} if maps.weight is None else {maps.weight: (sum(sizes),) * 2}
    expected |= {} if maps.factors is None else {maps.factors: (N, N)}
    for key, shape in expected.items():
        if _shape(checkpoint, key) != shape:
            raise ValueError(f"tensor {key!r} has shape {_shape(checkpoint, key)}, not {shape}")
    if maps.columns is not None:
        if [len(row) for row in maps.columns] != [N] * N:
            raise ValueError("its field maps are not one a pair of fields")
        for i, row in enumerate(maps.columns):
            if any(block is not None and not 0 <= block[0] < block[1] <= sizes[i] for block in row):
                raise ValueError(f"its field maps take columns that field {checkpoint.fields[i]!r} does not have")


def _shape(checkpoint: Checkpoint, key: str) -> tuple[int, ...]:
    if key not in checkpoint.state_dict:
        raise ValueError(f"its layout names the tensor {key!r}, which it does not hold")
    tensor = checkpoint.state_dict[key]
    if (dtype := dtype_of(tensor)) not in FLOATS:
        raise ValueError(f"tensor {key!r} is {dtype}, and a table or field map is one of {', '.join(FLOATS)}")
    return tuple(tensor.shape)


def dtype_of(value: Any) -> str:
    """Return the name of a tensor's or an array's type, and what is no such thing in words."""
    if isinstance(value, Unreadable):
        return value.kind
    if not hasattr(value, "dtype"):
        return f"a {type(value).__name__}"
    # NumPy's name leaves out the order of bytes.
    return str(getattr(value.dtype, "name", value.dtype)).removeprefix("torch.")
