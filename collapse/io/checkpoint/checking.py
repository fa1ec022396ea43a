"""Validation of checkpoints: plain parts by their types, tensors by the layout."""

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec

from collapse.bounds import Cardinality, Index
from collapse.errors import CollapseError
from collapse.io.checkpoint.schema import (
    FLOATS,
    FORMAT,
    FORMAT_VERSION,
    Checkpoint,
    Layout,
    MapsKey,
    TableKey,
    dtype_of,
    flat_config,
)
from collapse.io.torch_file import as_tensors
from collapse.io.torch_file.bounds import entries_unfolded

_MOST_ENTRIES = 10_000_000
"""Most entries in a checkpoint. One with 100,000 fields has a tenth of that."""
_AS_DECLARED = ("fields", "cardinalities", "layout")
"""Parts that are converted to their declared types."""


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
    """The plain parts of every checkpoint. Other keys are ignored."""

    name: str
    fields: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    cardinalities: tuple[Cardinality, ...]
    config: _Config
    data: _Data
    results: _Results
    versions: dict[str, str]
    layout: dict[str, Any]
    state_dict: dict[str, Any]
    training_state: dict[str, Any] | None


def is_checkpoint(content: Any) -> bool:
    """Return whether the content of a torch file is our checkpoint, even with a damaged format mark."""
    return isinstance(content, dict) and (_is_marked(content) or {"layout", "row_counts"} <= content.keys())


def _is_marked(content: Any) -> bool:
    mark = content.get("format") if isinstance(content, dict) else None
    return isinstance(mark, str) and mark == FORMAT


def to_checkpoint(content: Any, path: Path, *, arrays: bool = False) -> Checkpoint:
    """Validate the content of a torch file as a checkpoint.

    Parameters
    ----------
    content : Any
        Content of the file.
    path : Path
        The file, for error messages.
    arrays : bool
        Keep tensors as NumPy arrays.

    Raises
    ------
    CollapseError
        If the content is not a checkpoint, or is damaged.
    """
    if not _is_marked(content):
        raise CollapseError(f"{path} is a torch file but not a checkpoint of this project: it has no format mark")
    version = content.get("format_version")
    if not isinstance(version, int):
        raise CollapseError(f"{path} is damaged: its format_version is not a whole number")
    if version != FORMAT_VERSION:
        raise CollapseError(
            f"{path} has checkpoint format {version!r}, but this version reads format {FORMAT_VERSION}: install "
            "the version that wrote it"
        )
    missing = [item.name for item in fields(Checkpoint) if item.name not in content]
    if missing:
        raise CollapseError(f"{path} is damaged: the key {missing[0]!r} of a checkpoint is missing")
    try:
        if entries_unfolded(content) > _MOST_ENTRIES:
            raise ValueError("objects are nested in each other so often that no walk through them would end")
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
        raise CollapseError(f"{path} is damaged: it is nested too deeply") from error
    if arrays:
        return checkpoint
    return replace(
        checkpoint,
        row_counts=as_tensors(checkpoint.row_counts),
        state_dict=as_tensors(checkpoint.state_dict),
        training_state=as_tensors(checkpoint.training_state),
    )


def _check(checkpoint: Checkpoint) -> None:
    layout, N, D = checkpoint.layout, len(checkpoint.fields), checkpoint.cardinalities
    if len(D) != N:
        raise ValueError(f"it has {N} fields but {len(D)} cardinalities")
    if twice := [name for name, count in Counter(checkpoint.fields).items() if count > 1]:
        raise ValueError(f"two fields have the name {twice[0]!r}")
    for text in (checkpoint.name, *checkpoint.fields, checkpoint.data["name"]):
        text.encode()
    counts = checkpoint.row_counts
    if dtype_of(counts) != "int64" or tuple(counts.shape) != (sum(D),) or bool((counts < 0).any()):
        raise ValueError(f"its row counts are not {sum(D)} non-negative whole numbers, one per table row")
    if unknown := [item.field for item in layout.tables if item.field not in range(N)]:
        raise ValueError(f"its layout refers to field {unknown[0]}, but there are {N} fields")
    sets = [[item.set for item in layout.of_field(i)] for i in range(N)]
    for i, of_field in enumerate(sets):
        if not of_field or of_field != list(range(len(of_field))) or of_field != sets[0]:
            raise ValueError(f"its layout gives field {checkpoint.fields[i]!r} the sets {of_field}")
    for table in layout.tables:
        shape = _shape(checkpoint, table.key)
        (top, bottom), (left, right) = table.rows, table.columns
        if len(shape) != 2 or not (0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]):
            raise ValueError(
                f"rows {top} to {bottom} and columns {left} to {right} are not inside tensor {table.key!r} of "
                f"shape {shape}"
            )
        if bottom - top != D[table.field]:
            raise ValueError(
                f"field {checkpoint.fields[table.field]!r} has cardinality {D[table.field]} but {bottom - top} "
                "rows"
            )
        if table.projection is not None:
            key, *index = table.projection
            shape = _shape(checkpoint, key)
            if (
                len(shape) != 4
                or shape[2] != table.size
                or not all(0 <= at < size for at, size in zip(index, shape, strict=False))
            ):
                raise ValueError(f"tensor {key!r} of shape {shape} does not hold the projection {index}")
            if 0 in shape:
                raise ValueError(f"tensor {key!r} of shape {shape} is empty")
    for maps in layout.maps:
        _check_maps(checkpoint, maps)


def _check_maps(checkpoint: Checkpoint, maps: MapsKey) -> None:
    N = len(checkpoint.fields)
    if not 0 <= maps.set < len(checkpoint.layout.of_field(0)):
        raise ValueError(f"it has field maps for set {maps.set}, which does not exist")
    if (maps.weight is None) is (maps.columns is None):
        raise ValueError("its field maps must be either a matrix or a selection of columns")
    sizes = tuple(_projected(checkpoint, table) for table in checkpoint.layout.of_set(maps.set))
    expected = {} if maps.weight is None else {maps.weight: (sum(sizes),) * 2}
    expected |= {} if maps.factors is None else {maps.factors: (N, N)}
    for key, shape in expected.items():
        if _shape(checkpoint, key) != shape:
            raise ValueError(f"tensor {key!r} has shape {_shape(checkpoint, key)} instead of {shape}")
    if maps.columns is not None:
        if [len(row) for row in maps.columns] != [N] * N:
            raise ValueError("its field maps do not cover each pair of fields once")
        for i, row in enumerate(maps.columns):
            if any(block is not None and not 0 <= block[0] < block[1] <= sizes[i] for block in row):
                raise ValueError(f"its field maps use columns that field {checkpoint.fields[i]!r} does not have")


def _projected(checkpoint: Checkpoint, table: TableKey) -> int:
    """Return the number of columns that the field maps see."""
    return table.size if table.projection is None else _shape(checkpoint, table.projection[0])[3]


def _shape(checkpoint: Checkpoint, key: str) -> tuple[int, ...]:
    if key not in checkpoint.state_dict:
        raise ValueError(f"its layout refers to the tensor {key!r}, which is missing")
    tensor = checkpoint.state_dict[key]
    if (dtype := dtype_of(tensor)) not in FLOATS:
        raise ValueError(f"tensor {key!r} is {dtype}, but tables and field maps must be {', '.join(FLOATS)}")
    return tuple(tensor.shape)
