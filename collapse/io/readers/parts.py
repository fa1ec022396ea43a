"""Which field every table of a foreign state dict belongs to, and in which set or for which target."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import numpy as np

from collapse.errors import CollapseError
from collapse.io.readers.field_sizes import FieldSizes
from collapse.io.readers.roles import Roles, Tensor
from collapse.io.readers.state import State

_NAMED = 5
"""Of many tables, how many an error names."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The table of one field in one set, or for one target."""

    field: str
    """The field."""
    E: Any
    """Its rows."""
    tensor: Tensor
    """Where it is from."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The tables of all fields."""

    parts: tuple[Part, ...]
    """One a field, set and target."""
    notes: tuple[str, ...]
    """What the file does not tell."""


def find_parts(roles: Roles, state: State, fields: FieldSizes | None, source: str) -> Parts:
    """Name the field of every table; fused tables are split where the fields are known.

    Parameters
    ----------
    roles : Roles
        The tables.
    state : State
        The tensors, and what the file tells of their fields.
    fields : FieldSizes or None
        The fields, if the user names them.
    source : str
        The file, for errors.

    Returns
    -------
    Parts
        The tables, and what is not known of them.

    Raises
    ------
    CollapseError
        If the user names fields of as many rows as no table has.
    """
    found: list[Part] = []
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
                found.append(Part(field=field, E=tensor.values[end : end + D], tensor=tensor))
                end += D
            continue
        if tensor.fused:
            whole.append(f"{tensor.match.name} ({rows:,} rows)")
        if renamed and name in renamed:
            name, used = renamed[name], True
        used = used or given.get(name) == rows
        found.append(Part(field=name, E=tensor.values, tensor=tensor))
    if fields is not None and not used:
        listed = ", ".join(f"{t.match.name} ({t.values.shape[0]:,})" for t in roles.tables[:_NAMED])
        raise CollapseError(
            f"{fields.source} names {len(fields.names)} fields of {fields.rows:,} rows in all, and no table of "
            f"{source} has as many: there {'are' if len(roles.tables) > 1 else 'is'} {listed}"
        )
    note = (
        f"one table of all fields, of which the file does not tell where each begins: {', '.join(whole)}; "
        "--fields splits it"
    )
    return Parts(parts=tuple(_distinguished(found)), notes=(note,) if whole else ())


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
    keys = [(name, place_of(tensor)) for name, tensor in zip(found, tensors, strict=True)]
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


def place_of(tensor: Tensor) -> tuple[str, str]:
    """Return the set and the target of a table, as its name has them; empty where it has none."""
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


def _distinguished(parts: Iterable[Part]) -> list[Part]:
    """Give a table whose field is there already, in the same set, the name of its tensor."""
    found: dict[tuple[str, tuple[str, str]], Part] = {}
    for part in parts:
        key = part.field, place_of(part.tensor)
        if key in found:
            part = replace(part, field=part.tensor.match.name)
        found[part.field, key[1]] = part
    return list(found.values())
