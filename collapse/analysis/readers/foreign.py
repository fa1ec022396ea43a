"""Tables and field maps out of a state dict that another library wrote."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from collapse.analysis.readers.blocks import side_by_side
from collapse.analysis.readers.field_sizes import FieldSizes
from collapse.analysis.readers.foreign_maps import field_maps
from collapse.analysis.readers.roles import Roles, Selection, Tensor, find_roles
from collapse.analysis.readers.state import State
from collapse.errors import CollapseError
from collapse.field_maps import ColumnMaps, FieldMaps
from collapse.tables import EmbeddingTable, TableSet
from collapse.visible import path_text

_TOLD = 5


@dataclass(frozen=True, kw_only=True)
class Part:
    """The table of one field in one set, or for one target."""

    field: str
    """The field."""
    E: Any
    """Its rows."""
    tensor: Tensor
    """Where it is from."""


def read_state(state: State, path: Path, selection: Selection, *, every_matrix: bool = False) -> TableSet:
    """Read the tables and the field maps of a state dict.

    Parameters
    ----------
    state : State
        The tensors.
    path : Path
        The file, for names and errors.
    selection : Selection
        What the user said of it.
    every_matrix : bool
        Whether each matrix of floating numbers is a table, where no library is recognised.

    Returns
    -------
    TableSet
        The tables, the field maps where there are interaction weights, what was skipped and why, and what had to
        be assumed.

    Raises
    ------
    CollapseError
        If there is no table, or what the user said does not fit.
    """
    roles = find_roles(state, selection, every_matrix=every_matrix)
    source = path_text(path)
    if not roles.tables:
        raise CollapseError(_no_table(source, state, roles))
    notes: list[str] = []
    if state.part:
        notes.append(f"read from its part {state.part!r}")
    parts = _told_apart(_parts(roles, state, selection.fields, source, notes))
    fields = tuple(dict.fromkeys(part.field for part in parts))
    aware = [part for part in parts if "target" in part.tensor.match.groups]
    maps: list[FieldMaps] = []
    if aware and len(fields) > 1:
        fields = tuple(dict.fromkeys(part.field for part in aware))
        tables, of_targets = _field_aware(aware, fields, skips=bool(roles.family and roles.family.skips_target))
        maps.append(of_targets)
        beside = {part.tensor.match.name for part in parts} - {part.tensor.match.name for part in aware}
        roles.skipped.extend(f"{name} (it is beside field-aware tables)" for name in sorted(beside))
    else:
        tables = tuple(_table(field, of_field) for field, of_field in _by_field(parts).items())
        maps.extend(field_maps(roles, tables, notes))
    return TableSet(
        name=path_text(Path(path.stem)),
        source=source,
        tables=tables,
        field_maps=tuple(maps),
        description={
            "read as": roles.family.name if roles.family else "tables" if every_matrix else "a state dict",
            "tables": str(len(tables)),
        },
        skipped=tuple(roles.skipped),
        unread=roles.unread,
        notes=tuple(notes),
    )


def _by_field(parts: Iterable[Part]) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.field, []).append(part)
    return found


def _no_table(source: str, state: State, roles: Roles) -> str:
    told = "; ".join(roles.skipped[:_TOLD]) + (" .." if len(roles.skipped) > _TOLD else "")
    return (
        f"{source} holds no table that was found among its {len(state.tensors)} tensors: {told or 'it is empty'}; "
        "--table REGEX names the tables, which are matrices of floating numbers (in Python: "
        "selection=collapse.Selection(table=REGEX))"
    )


def _told_apart(parts: Iterable[Part]) -> list[Part]:
    """Give a table whose field is there already, in the same set, the name of its tensor."""
    found: dict[tuple[str, tuple[str, str]], Part] = {}
    for part in parts:
        key = part.field, _place(part.tensor)
        if key in found:
            part = replace(part, field=part.tensor.match.name)
        found[part.field, key[1]] = part
    return list(found.values())


def _parts(roles: Roles, state: State, fields: FieldSizes | None, source: str, notes: list[str]) -> Iterator[Part]:
    """Yield the tables by field: fused ones split where the fields are known, each under its name."""
    names = _names(roles.tables)
    used = False
    whole = []
    given = {} if fields is None else dict(zip(fields.names, fields.cardinalities, strict=True))
    renamed = _renamed(roles.tables, fields)
    for tensor, name in zip(roles.tables, names, strict=True):
        rows = int(tensor.values.shape[0])
        sizes = _sizes(tensor, state)
        if fields is not None and rows == fields.rows and len(fields.names) > 1:
            sizes, used = given, True
        if sizes:
            end = 0
            for field, D in sizes.items():
                yield Part(field=field, E=tensor.values[end : end + D], tensor=tensor)
                end += D
            continue
        if tensor.fused:
            whole.append(f"{tensor.match.name} ({rows:,} rows)")
        if renamed and name in renamed:
            name, used = renamed[name], True
        used = used or given.get(name) == rows
        yield Part(field=name, E=tensor.values, tensor=tensor)
    if fields is not None and not used:
        told = ", ".join(f"{t.match.name} ({t.values.shape[0]:,})" for t in roles.tables[:_TOLD])
        raise CollapseError(
            f"{fields.source} names {len(fields.names)} fields of {fields.rows:,} rows in all, and no table of "
            f"{source} has as many: there {'are' if len(roles.tables) > 1 else 'is'} {told}"
        )
    if whole:
        notes.append(
            f"one table of all fields, of which the file does not tell where each begins: {', '.join(whole)}; "
            "--fields splits it"
        )


def _sizes(tensor: Tensor, state: State) -> dict[str, int]:
    """Return the fields of a table as the file tells them: rows by name; empty if it does not."""
    held = [offsets for prefix, offsets in state.offsets.items() if tensor.match.name.startswith(prefix)]
    rows = int(tensor.values.shape[0])
    for offsets in held:
        sizes = np.diff([*offsets, rows])
        if tensor.fused and offsets[:1] == (0,) and (sizes > 0).all():
            return {f"field_{number}": int(size) for number, size in enumerate(sizes)}
    return {}


def _names(tensors: Sequence[Tensor]) -> list[str]:
    """Name the fields: as their library does, else by the tensors' names without what all have in common."""
    plain = [tensor.match.name.removesuffix(".weight") for tensor in tensors]
    folders = [name.split(".")[:-1] for name in plain]
    alike = takewhile(lambda words: len(set(words)) == 1, zip(*folders, strict=False))
    common = "".join(f"{words[0]}." for words in alike) if len(plain) > 1 else ""
    found = [_name(tensor, name.removeprefix(common)) for tensor, name in zip(tensors, plain, strict=True)]
    keys = [(name, _place(tensor)) for name, tensor in zip(found, tensors, strict=True)]
    count = Counter(keys)
    # Two tables of one name and place are of different parts of the model: told apart by what stands before.
    return [name if count[key] == 1 else full for name, full, key in zip(found, plain, keys, strict=True)]


def _name(tensor: Tensor, name: str) -> str:
    groups = tensor.match.groups
    if tensor.fused:
        return "all_fields"
    if not groups.keys() & {"field", "number"}:
        return name
    base = groups["field"] if "field" in groups else f"field_{groups['number']}"
    return f"{base}.{groups['kind']}" if "kind" in groups else base


def _place(tensor: Tensor) -> tuple[str, str]:
    return tensor.match.groups.get("set", ""), tensor.match.groups.get("target", "")


def _renamed(tensors: Sequence[Tensor], fields: FieldSizes | None) -> dict[str, str]:
    """Return the given names of numbered tables, whose rows have to agree."""
    numbered = [tensor for tensor in tensors if "number" in tensor.match.groups]
    if fields is None or len(numbered) != len(fields.names):
        return {}
    rows = tuple(int(tensor.values.shape[0]) for tensor in numbered)
    if rows != fields.cardinalities:
        return {}
    return {_name(tensor, ""): name for tensor, name in zip(numbered, fields.names, strict=True)}


def _table(field: str, parts: Sequence[Part]) -> EmbeddingTable:
    """Put the sets of a field side by side."""
    parts = sorted(parts, key=lambda part: [int(number or 0) for number in _place(part.tensor)])
    if len({part.E.shape[0] for part in parts}) > 1:
        raise CollapseError(f"the sets of field {field!r} differ in their rows")
    return EmbeddingTable(
        field=field,
        E=side_by_side([part.E for part in parts]),
        sizes=tuple(int(part.E.shape[1]) for part in parts),
        keys=tuple(part.tensor.match.name for part in parts),
    )


def _field_aware(
    parts: Sequence[Part], fields: tuple[str, ...], *, skips: bool
) -> tuple[tuple[EmbeddingTable, ...], ColumnMaps]:
    """Put the tables of a field for all targets but itself side by side (Appendix H)."""
    tables, blocks = [], []
    by_field = _by_field(parts)
    for i, field in enumerate(fields):
        of_field: dict[int, Part] = {}
        for part in by_field[field]:
            number = part.tensor.match.number("target")
            of_field[number + (skips and number >= i)] = part
        of_field.pop(i, None)
        targets = sorted(of_field)
        table = _table(field, [of_field[j] for j in targets])
        ends = dict(zip(targets, np.cumsum(table.sizes).tolist(), strict=True))
        tables.append(replace(table, sizes=(sum(table.sizes),)))
        blocks.append(
            tuple(
                (ends[j] - int(of_field[j].E.shape[1]), ends[j]) if j in ends else None for j in range(len(fields))
            )
        )
    return tuple(tables), ColumnMaps(layer=0, set=0, blocks=tuple(blocks))
