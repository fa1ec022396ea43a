"""Which tensors of a foreign state dict are embedding tables or interaction weights, and why others are not.

Without a family, and for names that a family does not know, a heuristic decides: a floating-point matrix of
several columns whose name suggests embeddings or tables, and not a layer.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from collapse.io.checkpoint.schema import FLOATS, dtype_of
from collapse.io.families import FAMILIES
from collapse.io.families.family import ONE_NUMBER, Family, Match
from collapse.io.readers.selection import Selection
from collapse.io.readers.state import State
from collapse.io.torch_file import Stub, Unreadable

_TABLE = re.compile(r"emb|table|shared", re.IGNORECASE)
_LAYER = re.compile(r"linear|mlp|proj|bias|kernel", re.IGNORECASE)
_UPDATE = re.compile(r"(^|\.)lora_(embedding_)?[AB](\.|$)")
"""Factors of a low-rank update in an adapter of the library PEFT."""
_PARAMETER = re.compile(r"\.(weight|bias)$|/_?(kernel|bias|embeddings|embedding_weights|vars/\d+)(:0)?$")
"""Names of parameters in torch and Keras."""
_ORIGINAL = re.compile(r"\.original_module\.")
"""Weights that PEFT keeps as they were before it trained the copy in ``modules_to_save``."""
_FIRST_ROWS = 16
"""Rows that are compared before two tables are compared completely."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor with a role, and the match of its name."""

    match: Match
    """The name and its parts."""
    values: Any
    """The numbers."""
    fused: bool = False
    """Whether it holds all fields."""


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The roles of all tensors."""

    family: Family | None
    """The library that wrote the file; None if unknown."""
    every_matrix: bool
    """Whether each floating-point matrix was taken as a table."""
    tables: tuple[Tensor, ...]
    """The embedding tables."""
    gaps: Mapping[str, int]
    """Number of columns between the fields that belong to numeric fields or to fields that share a table, by
    name."""
    weights: tuple[Tensor, ...]
    """The interaction weights."""
    order: tuple[str, ...]
    """All names in the order of the file."""
    skipped: tuple[str, ...]
    """Tensors without a role, each with the reason."""
    unread: Mapping[str, str]
    """Tensors that are named like tables but cannot be read or are empty, with the reason."""


_Role = tuple[Literal["table", "weight", "numeric", "shared", "other"], Tensor | None, str]
"""The role of a tensor, with the tensor, or the reason why it has none."""
_GAPS = {"numeric": 0, "shared": 1}
"""Roles that leave a gap between the fields, and the dimension of the tensor that has as many columns."""


def find_roles(state: State, selection: Selection, *, every_matrix: bool | None = None) -> Roles:
    """Find the roles of the tensors of a state dict.

    Parameters
    ----------
    state : State
        The tensors.
    selection : Selection
        What the user said about the file.
    every_matrix : bool, optional
        Take each floating-point matrix as a table if no library is recognised. By default this is done if no name
        is that of a model parameter or suggests a table, whatever the format of the file.

    Returns
    -------
    Roles
        Each tensor under its role, or among the skipped ones.
    """
    matrices = {name: tensor for name, tensor in state.tensors.items() if why_no_table(tensor) is None}
    family = _family(state, matrices)
    if every_matrix is None:
        every_matrix = is_plain(state) and not state.tables and not any(map(_reads_like_a_table, matrices))
    every_matrix = every_matrix and family is None
    by_name = {
        name: _role(family, name, tensor, selection, state, every_matrix=every_matrix)
        if not _is_layer(name, state, selection)
        else ("other", None, "a layer: it has a bias")
        for name, tensor in state.tensors.items()
    }
    roles = dict(_shared_once(by_name, family))
    skipped = {name: reason for name, (_, _, reason) in roles.items() if reason}
    return Roles(
        family=family,
        every_matrix=every_matrix,
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


def is_plain(state: State) -> bool:
    """Return whether no name is that of a model parameter."""
    one_layer = {"weight", "bias"} >= set(state.tensors)
    return not one_layer and not any(map(_PARAMETER.search, state.tensors))


def _is_layer(name: str, state: State, selection: Selection) -> bool:
    """Return whether a table by its name has a bias of one number per row next to it, which no embedding has."""
    if selection.table is not None or not name.endswith(".weight") or not _reads_like_a_table(name):
        return False
    bias = state.tensors.get(f"{name.removesuffix('weight')}bias")
    shape = tuple(getattr(state.tensors[name], "shape", ()))
    return len(shape) == 2 and tuple(getattr(bias, "shape", ())) == shape[:1]


def _family(state: State, matrices: Mapping[str, Any]) -> Family | None:
    """Return the library that wrote a file, by the classes of its objects, or by the first names that match."""
    packages = {name.partition(".")[0] for name in state.classes}
    of_package = (family for family in FAMILIES if family.package in packages)
    return next(of_package, None) or next((family for family in FAMILIES if family.is_of(matrices)), None)


def why_no_table(array: Any) -> str | None:
    """Return why an array is not a table; None for a floating-point matrix."""
    if isinstance(array, Stub):
        return f"an object of {array.name}, which was not loaded"
    if (dtype := dtype_of(array)) not in FLOATS:
        return dtype
    shape = tuple(array.shape)
    if len(shape) != 2:
        return f"{len(shape)}-dimensional"
    return None if min(shape) > 0 else f"of shape {shape[0]} x {shape[1]}"


def _role(
    family: Family | None, name: str, tensor: Any, selection: Selection, state: State, *, every_matrix: bool
) -> _Role:
    """Return the role of a tensor, as far as its name and shape tell."""
    if selection.skip is not None and re.search(selection.skip, name):
        return "other", None, "left out by --skip"
    if family is not None and dtype_of(tensor) in FLOATS and (match := _weight(family, name)) is not None:
        return "weight", Tensor(match=match, values=tensor), ""
    asked = selection.table is not None and re.search(selection.table, name) is not None
    if selection.table is not None and not asked:
        return "other", None, "not selected by --table"
    if (reason := why_no_table(tensor)) is not None:
        return "other", None, reason
    if not asked and _UPDATE.search(name):
        return "other", None, "a factor of a LoRA update, not a table"
    if not asked and _ORIGINAL.search(name) and _ORIGINAL.sub(".modules_to_save.default.", name) in state.tensors:
        return "other", None, "as it was before PEFT trained the copy in modules_to_save"
    if family is not None and not asked:
        for pattern, reason in family.others.items():
            if family.match((pattern,), name) and (reason != ONE_NUMBER or tensor.shape[1] == 1):
                return "other", None, reason
    fused = None if family is None else family.match(family.fused, name)
    match = fused or (None if family is None else family.match(family.tables, name))
    if match is None and not (asked or name in state.tables or every_matrix) and not _reads_like_a_table(name):
        return "other", None, "its name does not suggest a table"
    if tensor.shape[1] == 1 and not (asked or every_matrix):
        is_numeric = family is not None and family.has_numeric and match is not None
        return "numeric" if is_numeric else "other", None, "a single column"
    known = {"field": state.fields[name]} if name in state.fields else {}
    match = match or Match(name=name, prefix="", groups=known)
    return "table", Tensor(match=match, values=tensor, fused=fused is not None), ""


def _shared_once(roles: Mapping[str, _Role], family: Family | None) -> Iterator[tuple[str, _Role]]:
    """Yield every role by name. Of identical tables, only the first keeps its role."""
    names: dict[Any, str] = {}
    tables = {
        name: tensor.values for name, (role, tensor, _) in roles.items() if role == "table" and tensor is not None
    }
    copies = _copies(tables)
    for name, role in roles.items():
        _, tensor, _ = role
        if name in copies:
            yield name, ("other", None, f"the same numbers as {copies[name]}")
            continue
        first = name if role[0] != "table" or tensor is None else names.setdefault(_storage(tensor.values), name)
        is_known = family is not None and family.match((*family.fused, *family.tables), name) is not None
        yield (
            name,
            role if first == name else ("shared" if is_known else "other", None, f"identical to {first}"),
        )


def _copies(tables: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of copies in other storages, such as moving averages, and of the tables that they copy."""
    found: dict[str, str] = {}
    originals: dict[Any, list[str]] = {}
    storages = set()
    for name in sorted(tables, key=len):
        storage = _storage(tables[name])
        if storage in storages:
            continue
        # By their first rows, so that thousands of tables are not compared in pairs.
        alike = originals.setdefault(_beginning(tables[name]), [])
        same = next((other for other in alike if _same_numbers(tables[other], tables[name])), None)
        if same is None:
            alike.append(name)
            storages.add(storage)
        else:
            found[name] = same
    return found


def _beginning(values: Any) -> Any:
    """Return what two tables with the same numbers have in common."""
    if not isinstance(values, np.ndarray):
        return tuple(values.shape)
    return tuple(values.shape), values.dtype.str, values[:_FIRST_ROWS].tobytes()


def _same_numbers(one: Any, other: Any) -> bool:
    """Return whether two arrays of a file have the same numbers, not all of them equal."""
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.dtype == other.dtype):
        return False
    first = one[:_FIRST_ROWS]
    return (
        bool((first != first[0, 0]).any())
        and np.array_equal(first, other[:_FIRST_ROWS])
        and np.array_equal(one, other)
    )


def _is_lost(name: str, tensor: Any, family: Family | None, known: bool) -> bool:
    """Return whether a skipped tensor is a table to whoever wrote it, judging by its name and shape."""
    is_matrix = len(getattr(tensor, "shape", ())) == 2 and dtype_of(tensor) != "bool"
    # Only the kind of an unreadable tensor is known.
    if not is_matrix and not isinstance(tensor, Unreadable):
        return False
    of_family = family is not None and family.match((*family.tables, *family.fused), name) is not None
    return known or of_family or _reads_like_a_table(name)


def _reads_like_a_table(name: str) -> bool:
    return _TABLE.search(name) is not None and _LAYER.search(name) is None


def _weight(family: Family, name: str) -> Match | None:
    return family.match((*family.projections, *family.factors, *(family.low_rank or ())), name)


def _storage(tensor: Any) -> Any:
    """Return the common part of two names of one tensor."""
    if hasattr(tensor, "data_ptr"):
        return tensor.data_ptr(), tuple(tensor.shape)
    if hasattr(tensor, "__array_interface__"):
        return tensor.__array_interface__["data"][0], tuple(tensor.shape)
    return id(tensor)
