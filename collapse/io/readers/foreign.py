"""Tables and field maps from the state dict of another library."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from collapse.errors import CollapseError
from collapse.files.urls import Url
from collapse.io.blocks import side_by_side
from collapse.io.field_maps import ColumnMaps, FieldMaps
from collapse.io.readers.foreign_maps import field_maps
from collapse.io.readers.number_types import as_floats
from collapse.io.readers.parts import Part, Parts, find_parts, place_of
from collapse.io.readers.roles import Roles, find_roles
from collapse.io.readers.selection import Selection
from collapse.io.readers.side_cars import fields_next_to
from collapse.io.readers.state import State
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.printable import path_text

_NAMED = 5
_MOST_COUNT = 1 << 53
_UNKNOWN = "its cross layers are not analysed: one of its tables holds several unknown fields"


def read_state(
    state: State, path: Path | Url, selection: Selection, *, every_matrix: bool | None = None
) -> TableSet:
    """Read the tables and field maps of a state dict.

    Parameters
    ----------
    state : State
        The tensors.
    path : Path or Url
        The file, for names and error messages.
    selection : Selection
        What the user said about the file.
    every_matrix : bool, optional
        As for `find_roles`.

    Returns
    -------
    TableSet
        The tables, the field maps if there are interaction weights, what was skipped and why, and the assumptions
        that were made.

    Raises
    ------
    CollapseError
        If there is no table, or the selection does not fit.
    """
    tensors, converted = as_floats(state.tensors)
    state = replace(state, tensors=tensors, notes=(*state.notes, *converted))
    roles = find_roles(state, selection, every_matrix=every_matrix)
    source = path_text(path)
    if not roles.tables:
        raise CollapseError(_no_table(source, state, roles))
    found = _parts(roles, state, selection, path, source)
    parts = found.parts
    aware = [part for part in parts if "target" in part.tensor.match.groups]
    beside: set[str] = set()
    maps: tuple[FieldMaps, ...] = ()
    notes: tuple[str, ...] = ()
    skips = bool(roles.family and roles.family.skips_target)
    several = bool(aware) and len({part.field for part in parts}) > 1
    if several and not _fits_field_aware(aware, skips=skips):
        parts = tuple(_numbered(part) for part in parts)
        tables = tuple(_table(field, of_field) for field, of_field in _by_field(parts).items())
        notes = ("a field does not have one table per other field, so its tables are read as separate ones",)
    elif several:
        tables, of_targets = _field_aware(aware, skips=skips)
        maps = (of_targets,)
        beside = {part.tensor.match.name for part in parts} - {part.tensor.match.name for part in aware}
    else:
        tables = tuple(
            _with_counts(_table(field, of_field), of_field, state) for field, of_field in _by_field(parts).items()
        )
        unknown = found.whole and len(tables) > 1
        maps, notes = field_maps(roles, tables) if not unknown else ((), (_UNKNOWN,) * bool(roles.weights))
    plain = "tables" if roles.every_matrix else "a state dict"
    return TableSet(
        name=path_text(Path(path.stem)),
        source=source,
        tables=tables,
        field_maps=maps,
        description={
            "read as": roles.family.name if roles.family else state.format or plain,
            "tables": str(len(tables)),
        },
        skipped=(*roles.skipped, *(f"{name} (next to field-aware tables)" for name in sorted(beside))),
        unread=roles.unread,
        notes=(
            *((f"read from its part {state.part!r}",) if state.part else ()),
            *state.notes,
            *found.notes,
            *notes,
        ),
    )


def _parts(roles: Roles, state: State, selection: Selection, path: Path | Url, source: str) -> Parts:
    """Find the field of every table, with what the user says, or a file next to the checkpoint that fits it."""
    side_car = None if selection.fields is not None else fields_next_to(path)
    if side_car is not None:
        try:
            found = find_parts(roles, state, side_car, source)
        except CollapseError:
            note = f"{side_car.source.name} next to it was not used: no table has as many rows as its fields"
            found = find_parts(roles, state, None, source)
            return replace(found, notes=(*found.notes, note)) if found.notes else found
        is_split = any(part.E.shape[0] < part.tensor.values.shape[0] for part in found.parts)
        return (
            replace(found, notes=(*found.notes, f"split as in {side_car.source.name} next to it"))
            if is_split
            else found
        )
    return find_parts(roles, state, selection.fields, source)


def _fits_field_aware(parts: Sequence[Part], *, skips: bool) -> bool:
    """Return whether the highest target number is that of a field-aware model with this many fields."""
    targets = len({part.field for part in parts}) - skips
    return max(part.tensor.match.number("target") for part in parts) == targets - 1


def _numbered(part: Part) -> Part:
    number = part.tensor.match.groups.get("target")
    return part if number is None else replace(part, field=f"{part.field}.{number}")


def _by_field(parts: Iterable[Part]) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.field, []).append(part)
    return found


def _no_table(source: str, state: State, roles: Roles) -> str:
    skipped = "; ".join(roles.skipped[:_NAMED]) + (" .." if len(roles.skipped) > _NAMED else "")
    return (
        f"no embedding table was found among the {len(state.tensors)} tensors of {source}: "
        f"{skipped or 'it is empty'}; use --table REGEX to select floating-point matrices by name (in "
        "Python: selection=collapse.Selection(table=REGEX))"
    )


def _table(field: str, parts: Sequence[Part]) -> EmbeddingTable:
    """Concatenate the sets of each field."""
    parts = sorted(parts, key=lambda part: [int(number or 0) for number in place_of(part.tensor)])
    if len({part.E.shape[0] for part in parts}) > 1:
        raise CollapseError(f"the sets of field {field!r} have different numbers of rows")
    return EmbeddingTable(
        field=field,
        E=side_by_side([part.E for part in parts]),
        sizes=tuple(int(part.E.shape[1]) for part in parts),
        keys=tuple(part.tensor.match.name for part in parts),
    )


def _with_counts(table: EmbeddingTable, parts: Sequence[Part], state: State) -> EmbeddingTable:
    """Add the row counts of the file to a table that is one whole tensor."""
    counts = state.row_counts.get(parts[0].tensor.match.name)
    is_whole = len(parts) == 1 and counts is not None and _are_counts(counts) and counts.shape == table.E.shape[:1]
    return replace(table, row_counts=counts) if is_whole else table


def _are_counts(values: Any) -> bool:
    """Return whether an array of a file can be numbers of look-ups, which are added as floating-point numbers."""
    return values.dtype.kind in "iu" and len(values) > 0 and 0 <= values.min() <= values.max() <= _MOST_COUNT


def _field_aware(parts: Sequence[Part], *, skips: bool) -> tuple[tuple[EmbeddingTable, ...], ColumnMaps]:
    """Concatenate the tables of a field for all targets but itself (Appendix H)."""
    tables, blocks = [], []
    by_field = _by_field(parts)
    for i, (field, parts_of_field) in enumerate(by_field.items()):
        of_field: dict[int, Part] = {}
        for part in parts_of_field:
            number = part.tensor.match.number("target")
            of_field[number + (skips and number >= i)] = part
        of_field.pop(i, None)
        targets = sorted(of_field)
        table = _table(field, [of_field[j] for j in targets])
        ends = dict(zip(targets, np.cumsum(table.sizes).tolist(), strict=True))
        tables.append(replace(table, sizes=(sum(table.sizes),)))
        blocks.append(
            tuple(
                (ends[j] - int(of_field[j].E.shape[1]), ends[j]) if j in ends else None
                for j in range(len(by_field))
            )
        )
    return tuple(tables), ColumnMaps(layer=0, set=0, blocks=tuple(blocks))
