"""Tables from objects in memory: a model, a state dict, arrays by name, one array, or an embedding layer."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from collapse.errors import CollapseError
from collapse.io.checkpoint.checking import is_checkpoint, to_checkpoint
from collapse.io.checkpoint.schema import Layout
from collapse.io.low_rank import is_factors, read_factors
from collapse.io.readers.foreign import read_state
from collapse.io.readers.native import tables_of, tables_of_model
from collapse.io.readers.number_types import as_floats
from collapse.io.readers.roles import is_plain, why_no_table
from collapse.io.readers.selection import Selection
from collapse.io.readers.state import State, find_state, is_tensor
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.io.torch_file import Unreadable
from collapse.measures.row_stream import unreadable_kind, unwrapped

TABLE = "table"
"""Field name for a single array or embedding layer."""


def read_object(source: Any, selection: Selection) -> TableSet:
    """Return the tables and field maps of objects in memory.

    Parameters
    ----------
    source : object
        An ``nn.Module``, a state dict or another object that a checkpoint file may hold, arrays or embedding
        layers by name, one array or tensor, an ``nn.Embedding``, or an object with an attribute ``tables``.
    selection : Selection
        What the source does not say itself.

    Returns
    -------
    TableSet
        Views of the tensors.

    Raises
    ------
    CollapseError
        If the object is of another kind, or holds no table.
    """
    if isinstance(source, TableSet):
        return source
    if isinstance(held := getattr(source, "tables", None), TableSet):
        return held
    if _is_embedding(source):
        return _one(_array(source.weight), f"the layer {type(source).__name__}")
    if _is_module(source):
        return _of_module(source, selection)
    if isinstance(source, Mapping):
        return _of_mapping(source, selection)
    array = _array(source)
    if array is None:
        raise CollapseError(
            f"cannot read tables from {_kind(source)}: pass a path, a model (nn.Module), a state dict, arrays "
            "by name, one array or an nn.Embedding"
        )
    return _one(array, f"the {type(source).__name__}")


def _one(E: Any, source: str) -> TableSet:
    E = E.detach() if hasattr(E, "detach") else E
    converted, notes = as_floats({TABLE: E})
    E = converted[TABLE]
    if (reason := why_no_table(E)) is not None:
        raise CollapseError(f"{source} is not an embedding table (a floating-point matrix): it is {reason}")
    table = EmbeddingTable(field=TABLE, E=E, sizes=(int(E.shape[1]),))
    return TableSet(name=TABLE, source=source, tables=(table,), notes=notes)


def _array(source: Any) -> Any:
    """Return an array, or an object that can become one, such as lists of rows; None for other objects."""
    if (kind := unreadable_kind(source)) is not None:
        raise CollapseError(f"cannot read a table from {kind}")
    source = unwrapped(source)
    if is_tensor(source):
        return source
    if not isinstance(source, list | tuple):
        return None
    try:
        return np.asarray(source, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _of_mapping(source: Mapping[Any, Any], selection: Selection) -> TableSet:
    name = Path("a state dict")
    if is_checkpoint(source):
        return tables_of(to_checkpoint(source, name, arrays=True), source=str(name))
    if is_factors(source):
        return read_factors(source, name)
    plain = {str(key): _plain(value) for key, value in source.items()}
    state = find_state(plain)
    if state is None:
        kinds = ", ".join(sorted({_kind(value) for value in source.values()}))
        held = f"holds no array or tensor, only {kinds}" if kinds else "is empty"
        raise CollapseError(f"the {type(source).__name__} {held}")
    every_matrix = is_plain(state)
    for key, value in state.tensors.items() if every_matrix else ():
        # It was passed by name as a table, so it must not be skipped silently like a model's buffers.
        if isinstance(value, Unreadable) and not isinstance(source[key], Unreadable):
            raise CollapseError(f"cannot read the table {key!r} from {value.kind}")
    return read_state(state, name, selection, every_matrix=every_matrix)


def _plain(value: Any) -> Any:
    value = value.weight if _is_embedding(value) else value
    if (kind := unreadable_kind(value)) is not None:
        return Unreadable(kind)
    return value.detach() if hasattr(value, "detach") else unwrapped(value)


def _of_module(module: Any, selection: Selection) -> TableSet:
    plain = {name: _plain(value) for name, value in module.state_dict().items()}
    tensors = {name: value for name, value in plain.items() if is_tensor(value)}
    if isinstance(getattr(module, "layout", None), Layout):
        return tables_of_model(module.config.name, module.layout, tensors)
    name = type(module).__name__
    state = State(
        tensors=tensors,
        offsets=dict(_offsets(module)),
        classes=tuple({f"{type(each).__module__}.{type(each).__name__}" for each in module.modules()}),
        tables=frozenset(f"{place}.weight" for place, each in module.named_modules() if _is_embedding(each)),
    )
    return read_state(state, Path(f"the model {name}"), selection)


def _offsets(module: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the first rows of the fields of fused tables, by the prefix of the module that knows them."""
    for place, each in module.named_modules():
        begins = getattr(each, "offsets", None)
        if isinstance(begins, np.ndarray | list | tuple) or is_tensor(begins):
            numbers = np.asarray(begins)
            if numbers.ndim == 1 and np.issubdtype(numbers.dtype, np.integer):
                yield f"{place}." if place else "", tuple(numbers.tolist())


def _is_module(value: Any) -> bool:
    # There can be no module unless torch has been imported.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _is_embedding(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Embedding | torch.nn.EmbeddingBag)


def _kind(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
