"""Finding the tensors in a foreign file."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from collapse.io.torch_file import Stub, Unreadable
from collapse.io.torch_file.stubs import ArrayBuilder


@dataclass(frozen=True, kw_only=True)
class State:
    """A state dict: the parameters and buffers of a model, by name."""

    tensors: Mapping[str, Any]
    """Arrays, tensors and other objects by name, in the order of the file."""
    offsets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """First rows of the fields of fused tables, by the name of the module, if the file has them."""
    classes: tuple[str, ...] = ()
    """Classes of the objects in the file."""
    part: str = ""
    """The part of the file; empty for the whole file."""
    tables: frozenset[str] = frozenset()
    """Names of the tensors of embedding layers, for a model in memory."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Names of fields by tensor name, if a file next to it has them."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Metadata of a .safetensors file."""
    format: str = ""
    """Name of the format, for a file that no library is recognised from."""
    row_counts: Mapping[str, Any] = field(default_factory=dict)
    """How often training looked up each row of a table, by tensor name, if the file has that."""
    notes: tuple[str, ...] = ()
    """What a reader did that changes the numbers, or what the file does not say."""
    left: tuple[str, ...] = ()
    """Other parts of the file with tensors, each with the reason why it was not used."""


def find_state(content: Any, classes: tuple[str, ...] = (), *, name: str = "tensor") -> State | None:
    """Find the state dict or the pickled model in the content of a file.

    Parameters
    ----------
    content : Any
        Content returned by `read_foreign_file`.
    classes : tuple of str
        Classes returned by `read_foreign_file`.
    name : str
        Name of a tensor that is the whole content.

    Returns
    -------
    State or None
        The part with the most tensors that does not belong to an optimiser (the first of several); None without
        any.
    """
    parts = [
        part
        for part in _parts({name: content} if is_tensor(plain(content)) else content, (), set())
        if any(map(is_tensor, part[1].values()))
    ]
    models = [part for part in parts if not is_optimiser(part[0])]
    if not models:
        return None
    # max returns the first of several.
    chosen = max(models, key=lambda part: sum(map(is_tensor, part[1].values())))
    left = [
        f"{'.'.join(path) or 'the rest'} ({sum(map(is_tensor, tensors.values()))} tensors: "
        f"{'an optimiser' if is_optimiser(path) else 'another part of the file'})"
        for path, tensors, _ in parts
        if path != chosen[0]
    ]
    path, tensors, found = chosen
    return State(
        tensors=tensors,
        offsets=found.offsets,
        tables=frozenset(found.tables),
        classes=tuple(name.removeprefix(_SCRIPTED) for name in classes),
        part=".".join(path),
        left=tuple(left),
    )


def is_tensor(value: Any) -> bool:
    """Return whether a value is an array or a tensor, even an unreadable one."""
    return isinstance(value, Unreadable) or (hasattr(value, "shape") and hasattr(value, "dtype"))


@dataclass(frozen=True)
class _Found:
    """What the modules of a model say about their tensors."""

    offsets: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """First rows of the fields of fused tables, by the name of the module."""
    tables: set[str] = field(default_factory=set)
    """Names of the weights of embedding layers."""


_Part = tuple[tuple[str, ...], dict[str, Any], _Found]
_SCRIPTED = "__torch__."
"""Start of the names of TorchScript's classes."""
_MANGLED = re.compile(r"___torch_mangle_\d+\.")
"""Part of a TorchScript class's name that makes it unique."""
_EMBEDDINGS = ("torch.nn.modules.sparse.Embedding", "torch.nn.modules.sparse.EmbeddingBag")


def _parts(value: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[_Part]:
    """Yield every mapping or module that holds tensors: its path, its tensors, its offsets.

    Nothing is walked twice, because a file may contain itself, or one list in many places.
    """
    value = plain(value)
    if isinstance(value, Mapping | list | tuple | Stub):
        if id(value) in seen:
            return
        seen.add(id(value))
    if is_tensor(value):
        yield path, {path[-1] if path else "tensor": value}, _Found()
    elif _is_module(value):
        found = _Found()
        yield path, dict(_parameters(value, "", found, set())), found
    elif isinstance(value, Mapping | list | tuple | Stub):
        entries = _entries(value)
        named = {str(key): plain(item) for key, item in entries.items()}
        if any(map(is_tensor, named.values())):
            # Other objects in a state dict are reported as such. Nested parts follow on their own.
            yield (
                path,
                {key: item for key, item in named.items() if is_tensor(item) or isinstance(item, Stub)},
                _Found(),
            )
        for key, item in named.items():
            if not is_tensor(item) and isinstance(item, Mapping | list | tuple | Stub):
                yield from _parts(item, (*path, key), seen)


def _entries(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Stub):
        return value.attributes
    return value if isinstance(value, Mapping) else dict(enumerate(value))


def plain(value: Any) -> Any:
    """Return the array that a pickle rebuilt; other values unchanged."""
    return value.array if isinstance(value, ArrayBuilder) and value.array is not None else value


def _is_module(value: Any) -> bool:
    return isinstance(value, Stub) and (
        {"_parameters", "_modules"} <= value.attributes.keys() or value.name.startswith(_SCRIPTED)
    )


def _parameters(module: Stub, prefix: str, found: _Found, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield what torch's named_parameters and named_buffers would, and record what the modules say on the way."""
    if id(module) in seen:
        return
    seen.add(id(module))
    held = module.attributes
    begins = plain(held.get("offsets"))
    if isinstance(begins, np.ndarray | list | tuple):
        numbers = np.asarray(begins)
        if numbers.ndim == 1 and np.issubdtype(numbers.dtype, np.integer):
            found.offsets[prefix] = tuple(numbers.tolist())
    if _MANGLED.sub("", module.name).removeprefix(_SCRIPTED) in _EMBEDDINGS:
        found.tables.add(f"{prefix}weight")
    scripted = module.name.startswith(_SCRIPTED)
    for tensors in [held] if scripted else [held.get("_parameters"), held.get("_buffers")]:
        for name, tensor in tensors.items() if isinstance(tensors, Mapping) else ():
            tensor = plain(tensor)
            if is_tensor(tensor) or (tensor is not None and not scripted):
                yield f"{prefix}{name}", tensor
    modules = held if scripted else held["_modules"]
    for name, child in modules.items() if isinstance(modules, Mapping) else ():
        if _is_module(child):
            yield from _parameters(child, f"{prefix}{name}.", found, seen)


def is_optimiser(path: tuple[str, ...]) -> bool:
    """Return whether the keys that lead to a part of a file are those of an optimiser's state."""
    return any(key.lower().startswith(("opt", "scaler")) or "optim" in key.lower() for key in path)
