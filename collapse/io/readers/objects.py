"""What is in memory as tables: a model, a state dict, arrays by name, one array, an embedding layer."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from collapse.errors import CollapseError
from collapse.io.checkpoint.checking import is_checkpoint, to_checkpoint
from collapse.io.checkpoint.schema import Layout
from collapse.io.low_rank import is_factors, read_factors
from collapse.io.readers.arrays import is_plain
from collapse.io.readers.foreign import read_state
from collapse.io.readers.native import tables_of, tables_of_model
from collapse.io.readers.roles import why_no_table
from collapse.io.readers.selection import Selection
from collapse.io.readers.state import State, find_state, is_tensor
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.io.torch_file import Unreadable
from collapse.measures.row_stream import unreadable_kind, unwrapped

TABLE = "table"
"""The field's name of an array or an embedding layer alone."""


def read_object(source: Any, selection: Selection) -> TableSet:
    """Take the tables and the field maps from what is in memory.

    Parameters
    ----------
    source : object
        An ``nn.Module``, a state dict or anything else that a checkpoint file may hold, arrays or embedding layers
        by name, one array or tensor, an ``nn.Embedding``; or what has read tables as its attribute ``tables``.
    selection : Selection
        What the source does not say itself.

    Returns
    -------
    TableSet
        Views of its tensors.

    Raises
    ------
    CollapseError
        If it is nothing of that, or no table is in it.
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
            f"cannot take tables from {_kind(source)}: pass a path, a model (nn.Module), a state dict, "
            "arrays by name, one array or an nn.Embedding"
        )
    return _one(array, f"the {type(source).__name__}")


def _one(E: Any, source: str) -> TableSet:
    E = E.detach() if hasattr(E, "detach") else E
    if (reason := why_no_table(E)) is not None:
        raise CollapseError(f"{source} is not an embedding table (a floating-point matrix): it is {reason}")
    return TableSet(
        name=TABLE, source=source, tables=(EmbeddingTable(field=TABLE, E=E, sizes=(int(E.shape[1]),)),)
    )


def _array(source: Any) -> Any:
    """Return what is an array or can be one, such as rows in lists; None for anything else."""
    if (kind := unreadable_kind(source)) is not None:
        raise CollapseError(f"cannot take a table from {kind}")
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
        held = f"holds no array or tensor, but {kinds}" if kinds else "is empty"
        raise CollapseError(f"the {type(source).__name__} {held}")
    every_matrix = is_plain(state)
    for key, value in state.tensors.items() if every_matrix else ():
        # Given by name as a table: it is not left out in silence, as a model's buffers are.
        if isinstance(value, Unreadable) and not isinstance(source[key], Unreadable):
            raise CollapseError(f"cannot take the table {key!r} from {value.kind}")
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
    """Yield where the fields of fused tables begin, by the prefix of the module that tells."""
    for place, each in module.named_modules():
        begins = getattr(each, "offsets", None)
        if isinstance(begins, np.ndarray | list | tuple) or is_tensor(begins):
            numbers = np.asarray(begins)
            if numbers.ndim == 1 and np.issubdtype(numbers.dtype, np.integer):
                yield f"{place}." if place else "", tuple(numbers.tolist())


def _is_module(value: Any) -> bool:
    # A module cannot be there unless torch is loaded.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _is_embedding(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Embedding | torch.nn.EmbeddingBag)


def _kind(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
