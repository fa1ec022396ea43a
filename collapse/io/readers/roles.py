"""Which tensors of a foreign state dict are embedding tables, which interaction weights, and why others are not.

Without a family, or beside what a family names, a rule of thumb decides: a matrix of several columns of floating
numbers, whose name speaks of embeddings or tables and of no layer.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from collapse.io.checkpoint.schema import FLOATS, dtype_of
from collapse.io.families import FAMILIES
from collapse.io.families.family import Family, Match
from collapse.io.readers.selection import Selection
from collapse.io.readers.state import State
from collapse.io.torch_file import Stub, Unreadable

_TABLE = re.compile(r"emb|table|shared", re.IGNORECASE)
_LAYER = re.compile(r"linear|mlp|proj|bias|kernel", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor that was taken, and what its name tells."""

    match: Match
    """The name, and its parts."""
    values: Any
    """The numbers."""
    fused: bool = False
    """Whether all fields are in it."""


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What is what."""

    family: Family | None
    """The library that wrote the file, if it is known."""
    tables: tuple[Tensor, ...]
    """The embedding tables."""
    gaps: Mapping[str, int]
    """How many columns stand between the fields for numeric ones, and for those that share a table, by name."""
    weights: tuple[Tensor, ...]
    """The interaction weights."""
    order: tuple[str, ...]
    """All names in the order of the file."""
    skipped: tuple[str, ...]
    """What was not taken, each with the reason."""
    unread: Mapping[str, str]
    """What has the name of a table, and a kind that is not read or no entry, with the reason."""


_Role = tuple[Literal["table", "weight", "numeric", "shared", "other"], Tensor | None, str]
"""What a tensor is taken for, the tensor if it is taken, and otherwise the reason."""
_GAPS = {"numeric": 0, "shared": 1}
"""The roles that leave a gap between the fields, and which side of the tensor has as many columns."""


def find_roles(state: State, selection: Selection, *, every_matrix: bool = False) -> Roles:
    """Sort the tensors of a state dict.

    Parameters
    ----------
    state : State
        The tensors.
    selection : Selection
        What the user said.
    every_matrix : bool
        Whether each matrix of floating numbers is a table, as in a plain file of tables.

    Returns
    -------
    Roles
        Every tensor under what it is taken for, or among the skipped.
    """
    matrices = {name: tensor for name, tensor in state.tensors.items() if why_no_table(tensor) is None}
    family = _family(state, matrices)
    every_matrix = every_matrix and family is None
    by_name = {
        name: _role(family, name, tensor, selection, name in state.tables, every_matrix)
        for name, tensor in state.tensors.items()
    }
    roles = dict(_shared_once(by_name, family))
    skipped = {name: reason for name, (_, _, reason) in roles.items() if reason}
    return Roles(
        family=family,
        tables=tuple(tensor for role, tensor, _ in roles.values() if role == "table" and tensor is not None),
        gaps={
            name: int(state.tensors[name].shape[_GAPS[role]])
            for name, (role, _, _) in roles.items()
            if role in _GAPS
        },
        weights=tuple(tensor for role, tensor, _ in roles.values() if role == "weight" and tensor is not None),
        order=tuple(state.tensors),
        skipped=(*(f"{name} ({reason})" for name, reason in skipped.items()), *state.left),
        unread={
            name: reason
            for name, reason in skipped.items()
            if reason == why_no_table(state.tensors[name])
            and _is_lost(name, state.tensors[name], family, name in state.tables)
        },
    )


def _family(state: State, matrices: Mapping[str, Any]) -> Family | None:
    """Return the library that wrote a file: that of the objects in it, else the first whose names fit."""
    packages = {name.partition(".")[0] for name in state.classes}
    of_package = (family for family in FAMILIES if family.package in packages)
    return next(of_package, None) or next((family for family in FAMILIES if family.is_of(matrices)), None)


def why_no_table(array: Any) -> str | None:
    """Say why an array is no table; None if it is a matrix of floating numbers."""
    if isinstance(array, Stub):
        return f"an object of {array.name}, which was not made"
    if (dtype := dtype_of(array)) not in FLOATS:
        return dtype
    shape = tuple(array.shape)
    if len(shape) != 2:
        return f"of {len(shape)} dimension{'s' * (len(shape) != 1)}"
    return None if min(shape) > 0 else f"of shape {shape[0]} x {shape[1]}"


def _role(
    family: Family | None, name: str, tensor: Any, selection: Selection, is_known: bool, every_matrix: bool
) -> _Role:
    """Say what a tensor is, as far as its name and shape tell."""
    if selection.skip is not None and re.search(selection.skip, name):
        return "other", None, "left out by --skip"
    if family is not None and dtype_of(tensor) in FLOATS and (match := _weight(family, name)) is not None:
        return "weight", Tensor(match=match, values=tensor), ""
    asked = selection.table is not None and re.search(selection.table, name) is not None
    if selection.table is not None and not asked:
        return "other", None, "not named by --table"
    if (reason := why_no_table(tensor)) is not None:
        return "other", None, reason
    if family is not None and not asked:
        for pattern, reason in family.others.items():
            if family.match((pattern,), name):
                return "other", None, reason
    fused = None if family is None else family.match(family.fused, name)
    match = fused or (None if family is None else family.match(family.tables, name))
    if match is None and not (asked or is_known or every_matrix) and not _reads_like_a_table(name):
        return "other", None, "its name is not that of a table"
    if tensor.shape[1] == 1 and not (asked or every_matrix):
        is_numeric = family is not None and family.has_numeric and match is not None
        return "numeric" if is_numeric else "other", None, "a single column"
    match = match or Match(name=name, prefix="", groups={})
    return "table", Tensor(match=match, values=tensor, fused=fused is not None), ""


def _shared_once(roles: Mapping[str, _Role], family: Family | None) -> Iterator[tuple[str, _Role]]:
    """Yield every role by name; of tables that are the same numbers the first alone stays one."""
    names: dict[Any, str] = {}
    for name, role in roles.items():
        _, tensor, _ = role
        first = name if role[0] != "table" or tensor is None else names.setdefault(_storage(tensor.values), name)
        is_known = family is not None and family.match((*family.fused, *family.tables), name) is not None
        yield (
            name,
            role if first == name else ("shared" if is_known else "other", None, f"the same numbers as {first}"),
        )


def _is_lost(name: str, tensor: Any, family: Family | None, known: bool) -> bool:
    """Tell whether what is no table to us is one to whoever wrote it: by its name, and as it is a matrix."""
    is_matrix = len(getattr(tensor, "shape", ())) == 2 and dtype_of(tensor) != "bool"
    # Of a tensor that is not read nothing is known but its kind.
    if not is_matrix and not isinstance(tensor, Unreadable):
        return False
    of_family = family is not None and family.match((*family.tables, *family.fused), name) is not None
    return known or of_family or _reads_like_a_table(name)


def _reads_like_a_table(name: str) -> bool:
    return _TABLE.search(name) is not None and _LAYER.search(name) is None


def _weight(family: Family, name: str) -> Match | None:
    return family.match((*family.projections, *family.factors, *(family.low_rank or ())), name)


def _storage(tensor: Any) -> Any:
    """Return what two names of one tensor have in common."""
    if hasattr(tensor, "data_ptr"):
        return tensor.data_ptr(), tuple(tensor.shape)
    if hasattr(tensor, "__array_interface__"):
        return tensor.__array_interface__["data"][0], tuple(tensor.shape)
    return id(tensor)
