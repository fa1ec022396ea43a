"""Whether what a torch file holds is a whole checkpoint: the plain parts by their types, tensors by the layout."""

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
    dtype_of,
    flat_config,
)
from collapse.io.torch_file import as_tensors
from collapse.io.torch_file.bounds import entries_unfolded

_MOST_ENTRIES = 10_000_000
"""Of a checkpoint: one of 100,000 fields has a tenth of that."""
_AS_DECLARED = ("fields", "cardinalities", "layout")
"""What is taken in the form of its declared type."""


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
    cardinalities: tuple[Cardinality, ...]
    config: _Config
    data: _Data
    results: _Results
    versions: dict[str, str]
    layout: dict[str, Any]
    state_dict: dict[str, Any]
    training_state: dict[str, Any] | None


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
