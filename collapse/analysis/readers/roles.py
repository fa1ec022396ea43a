"""Which tensors of a foreign state dict are embedding tables, which interaction weights, and why others are not.

Without a family, or beside what a family names, a rule of thumb decides: a matrix of several columns of floating
numbers, whose name speaks of embeddings or tables and of no layer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from collapse.analysis.readers.families import FAMILIES
from collapse.analysis.readers.families.family import Family, Match
from collapse.analysis.readers.field_sizes import FieldSizes
from collapse.analysis.readers.row_counts import RowCounts
from collapse.analysis.readers.state import State
from collapse.checkpoint import FLOATS, dtype_of
from collapse.errors import CollapseError
from collapse.torch_file import Stub, Unreadable

_TABLE = re.compile(r"emb|table|shared", re.IGNORECASE)
_LAYER = re.compile(r"linear|mlp|proj|bias|kernel", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the user says of a file that does not say it itself."""

    fields: FieldSizes | None = None
    """The fields of a fused table, or the names of numbered ones."""
    table: str | None = None
    """A regular expression of the names of the tables, in place of what a family or the rule of thumb finds."""
    skip: str | None = None
    """One of names that are no tables."""
    row_counts: RowCounts | str | PathLike[str] | Mapping[str, Any] | None = None
    """How often training looked up each row: a file as ``--row-counts`` takes it, or arrays by field."""

    def __post_init__(self) -> None:
        for option, pattern in (("--table", self.table), ("--skip", self.skip)):
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise CollapseError(f"{option} {pattern!r} is no regular expression: {error}") from error

    @property
    def words(self) -> list[str]:
        """The same as words of a command line."""
        given = {
            "--fields": self.fields and self.fields.source,
            "--table": self.table,
            "--skip": self.skip,
            "--row-counts": getattr(self.row_counts, "source", None),
        }
        return [word for key, value in given.items() if value is not None for word in (key, str(value))]


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor that was taken, and what its name tells."""

    match: Match
    """The name, and its parts."""
    values: Any
    """The numbers."""
    fused: bool = False
    """Whether all fields are in it."""


@dataclass(kw_only=True)
class Roles:
    """What is what."""

    family: Family | None
    """The library that wrote the file, if it is known."""
    tables: list[Tensor] = field(default_factory=list)
    """The embedding tables."""
    gaps: dict[str, int] = field(default_factory=dict)
    """How many columns stand between the fields for numeric ones, and for those that share a table, by name."""
    weights: list[Tensor] = field(default_factory=list)
    """The interaction weights."""
    order: tuple[str, ...] = ()
    """All names in the order of the file."""
    skipped: list[str] = field(default_factory=list)
    """What was not taken, each with the reason."""
    unread: dict[str, str] = field(default_factory=dict)
    """What has the name of a table, and a kind that is not read or no entry, with the reason."""


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
    roles = Roles(family=family, order=tuple(state.tensors))
    storages: dict[Any, str] = {}
    for name, tensor in state.tensors.items():
        known = name in state.tables
        reason = _role(roles, name, tensor, selection, known, every_matrix and roles.family is None, storages)
        if reason is not None:
            roles.skipped.append(f"{name} ({reason})")
            if reason == why_no_table(tensor) and _is_lost(name, tensor, roles.family, known):
                roles.unread[name] = reason
    roles.skipped.extend(state.left)
    return roles


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
    roles: Roles,
    name: str,
    tensor: Any,
    selection: Selection,
    known: bool,
    every_matrix: bool,
    storages: dict[Any, str],
) -> str | None:
    """Put a tensor where it belongs, or return why it belongs nowhere."""
    family = roles.family
    if selection.skip is not None and re.search(selection.skip, name):
        return "left out by --skip"
    if family is not None and dtype_of(tensor) in FLOATS and (match := _weight(family, name)) is not None:
        roles.weights.append(Tensor(match=match, values=tensor))
        return None
    asked = selection.table is not None and re.search(selection.table, name) is not None
    if selection.table is not None and not asked:
        return "not named by --table"
    if (reason := why_no_table(tensor)) is not None:
        return reason
    if family is not None and not asked:
        for pattern, reason in family.others.items():
            if family.match((pattern,), name):
                return reason
    fused = None if family is None else family.match(family.fused, name)
    match = fused or (None if family is None else family.match(family.tables, name))
    if match is None and not (asked or known or every_matrix) and not _reads_like_a_table(name):
        return "its name is not that of a table"
    found = Tensor(match=match or Match(name=name, prefix="", groups={}), values=tensor, fused=fused is not None)
    if tensor.shape[1] == 1 and not (asked or every_matrix):
        if family is not None and family.has_numeric and match is not None:
            roles.gaps[name] = int(tensor.shape[0])
        return "a single column"
    if (first := storages.setdefault(_storage(tensor), name)) != name:
        if match is not None:
            roles.gaps[name] = int(tensor.shape[1])
        return f"the same numbers as {first}"
    roles.tables.append(found)
    return None


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
