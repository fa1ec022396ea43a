"""Assigning the tables of a foreign state dict to fields, sets and targets."""

import re
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

_ENDING = re.compile(
    r"(?<=.)(\._packed_params\._packed_weight|\.weight|/_?(embeddings|embedding_weights|embedding_table|weights|vars/0)(:0)?)$"
)
"""End of a table's name that every table has."""
_WRAPPER = re.compile(r"^base_model\.model\.|\.modules_to_save\.[^.]+(?=\.)")
"""Parts of a name that PEFT adds."""
_FOLDER = re.compile(r"[^./]*[./]")
_NAMED = 5
"""Most tables that an error message lists."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The table of one field in one set, or for one target."""

    field: str
    """Name of the field."""
    E: Any
    """The rows."""
    tensor: Tensor
    """The tensor that it is from."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The tables of all fields."""

    parts: tuple[Part, ...]
    """One per field, set and target."""
    notes: tuple[str, ...]
    """What the file does not say."""
    whole: bool
    """Whether a table holds several fields that are not known."""


def find_parts(roles: Roles, state: State, fields: FieldSizes | None, source: str) -> Parts:
    """Find the field of every table. Fused tables are split if the fields are known.

    Parameters
    ----------
    roles : Roles
        The tables.
    state : State
        The tensors, and what the file says about their fields.
    fields : FieldSizes or None
        Fields that the user named.
    source : str
        The file, for error messages.

    Returns
    -------
    Parts
        The tables, with notes on what is unknown.

    Raises
    ------
    CollapseError
        If no table has as many rows as the fields that the user named.
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
        if fields is not None and (run := _run(fields, rows, fused=tensor.fused)):
            sizes, used = run, True
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
            f"{fields.source} lists {len(fields.names)} fields with {fields.rows:,} rows in total, but no table "
            f"of {source} has as many rows: its tables are {listed}"
        )
    note = (
        f"one table holds all fields, and the file does not say where each begins ({', '.join(whole)}): "
        "split it with --fields"
    )
    return Parts(parts=tuple(_distinguished(found)), notes=(note,) if whole else (), whole=bool(whole))


def _run(fields: FieldSizes, rows: int, *, fused: bool) -> dict[str, int]:
    """Return consecutive fields with as many rows as a table: all of them, or the only run of a fused table.

    Models with several fused tables keep the fields of users in one, and those of items in another.
    """
    pairs = list(zip(fields.names, fields.cardinalities, strict=True))
    if rows == fields.rows and len(pairs) > 1:
        return dict(pairs)
    ends = np.cumsum([0, *fields.cardinalities])
    places = {int(end): number for number, end in enumerate(ends)}
    runs = [(first, places[begin + rows]) for first, begin in enumerate(ends.tolist()) if begin + rows in places]
    return dict(pairs[slice(*runs[0])]) if fused and len(runs) == 1 else {}


def _sizes(tensor: Tensor, state: State) -> dict[str, int]:
    """Return the fields of a table with their rows, as the file describes them; empty if it does not."""
    held = [offsets for prefix, offsets in state.offsets.items() if tensor.match.name.startswith(prefix)]
    rows = int(tensor.values.shape[0])
    for offsets in held:
        sizes = np.diff([*offsets, rows])
        if tensor.fused and offsets[:1] == (0,) and (sizes > 0).all():
            return {f"field_{number}": int(size) for number, size in enumerate(sizes)}
    return {}


def _names(tensors: Sequence[Tensor]) -> list[str]:
    """Name the fields as their library does, or by the tensor names without their common parts."""
    plain = [_ENDING.sub("", _WRAPPER.sub("", tensor.match.name)) for tensor in tensors]
    folders = [_FOLDER.findall(name) for name in plain]
    alike = takewhile(lambda words: len(set(words)) == 1, zip(*folders, strict=False))
    common = "".join(words[0] for words in alike) if len(plain) > 1 else ""
    if any(name.removeprefix(common).isdigit() for name in plain):
        common = ""
    found = [_name(tensor, name.removeprefix(common)) for tensor, name in zip(tensors, plain, strict=True)]
    keys = [(name, place_of(tensor)) for name, tensor in zip(found, tensors, strict=True)]
    count = Counter(keys)
    # Tables with the same name and position belong to different parts of the model; keep what precedes their
    # names.
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
    """Return the set and the target in the name of a table; empty if it has none."""
    return tensor.match.groups.get("set", ""), tensor.match.groups.get("target", "")


def _renamed(tensors: Sequence[Tensor], fields: FieldSizes | None) -> dict[str, str]:
    """Return the user's names of numbered tables, whose row counts must match."""
    numbered = [tensor for tensor in tensors if "number" in tensor.match.groups]
    if fields is None or len(numbered) != len(fields.names):
        return {}
    rows = tuple(int(tensor.values.shape[0]) for tensor in numbered)
    if rows != fields.cardinalities:
        return {}
    return {_name(tensor, ""): name for tensor, name in zip(numbered, fields.names, strict=True)}


def _distinguished(parts: Iterable[Part]) -> list[Part]:
    """Put the tensor's name before fields that another table has in the same set."""
    found: dict[tuple[str, tuple[str, str]], Part] = {}
    for part in parts:
        key = part.field, place_of(part.tensor)
        if key in found:
            name = part.tensor.match.name
            is_split = part.E.shape[0] < part.tensor.values.shape[0]
            part = replace(part, field=f"{name.removesuffix('.weight')}.{part.field}" if is_split else name)
        found[part.field, key[1]] = part
    return list(found.values())
