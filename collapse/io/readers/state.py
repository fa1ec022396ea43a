"""Finding the tensors in a foreign file."""

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
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Metadata of a .safetensors file."""
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
        for part in _parts({name: content} if is_tensor(_plain(content)) else content, (), set())
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
    path, tensors, offsets = chosen
    return State(tensors=tensors, offsets=offsets, classes=classes, part=".".join(path), left=tuple(left))


def is_tensor(value: Any) -> bool:
    """Return whether a value is an array or a tensor, even an unreadable one."""
    return isinstance(value, Unreadable) or (hasattr(value, "shape") and hasattr(value, "dtype"))


_Part = tuple[tuple[str, ...], dict[str, Any], dict[str, tuple[int, ...]]]


def _parts(value: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[_Part]:
    """Yield every mapping or module that holds tensors: its path, its tensors, its offsets.

    Nothing is walked twice, because a file may contain itself, or one list in many places.
    """
    value = _plain(value)
    if isinstance(value, Mapping | list | tuple | Stub):
        if id(value) in seen:
            return
        seen.add(id(value))
    if is_tensor(value):
        yield path, {path[-1] if path else "tensor": value}, {}
    elif _is_module(value):
        offsets: dict[str, tuple[int, ...]] = {}
        yield path, dict(_parameters(value, "", offsets, set())), offsets
    elif isinstance(value, Mapping | list | tuple | Stub):
        entries = _entries(value)
        named = {str(key): _plain(item) for key, item in entries.items()}
        if any(map(is_tensor, named.values())):
            # Other objects in a state dict are reported as such. Nested parts follow on their own.
            yield path, {key: item for key, item in named.items() if is_tensor(item) or isinstance(item, Stub)}, {}
        for key, item in named.items():
            if not is_tensor(item) and isinstance(item, Mapping | list | tuple | Stub):
                yield from _parts(item, (*path, key), seen)


def _entries(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Stub):
        return value.attributes
    return value if isinstance(value, Mapping) else dict(enumerate(value))


def _plain(value: Any) -> Any:
    return value.array if isinstance(value, ArrayBuilder) and value.array is not None else value


def _is_module(value: Any) -> bool:
    return isinstance(value, Stub) and {"_parameters", "_modules"} <= value.attributes.keys()


def _parameters(
    module: Stub, prefix: str, offsets: dict[str, tuple[int, ...]], seen: set[int]
) -> Iterator[tuple[str, Any]]:
    """Yield what torch's named_parameters and named_buffers would, and record the offsets on the way."""
    if id(module) in seen:
        return
    seen.add(id(module))
    held = module.attributes
    begins = _plain(held.get("offsets"))
    if isinstance(begins, np.ndarray | list | tuple):
        numbers = np.asarray(begins)
        if numbers.ndim == 1 and np.issubdtype(numbers.dtype, np.integer):
            offsets[prefix] = tuple(numbers.tolist())
    for kind in ("_parameters", "_buffers"):
        tensors = held.get(kind)
        for name, tensor in tensors.items() if isinstance(tensors, Mapping) else ():
            if tensor is not None:
                yield f"{prefix}{name}", tensor
    modules = held["_modules"]
    for name, child in modules.items() if isinstance(modules, Mapping) else ():
        if _is_module(child):
            yield from _parameters(child, f"{prefix}{name}.", offsets, seen)


def is_optimiser(path: tuple[str, ...]) -> bool:
    """Return whether the keys that lead to a part of a file are those of an optimiser's state."""
    return any(key.lower().startswith(("opt", "scaler")) or "optim" in key.lower() for key in path)
