"""The tensors of a foreign file by name, wherever in it they lie."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from collapse.io.torch_file import Stub, Unreadable
from collapse.io.torch_file.stubs import ArrayBuilder


@dataclass(frozen=True, kw_only=True)
class State:
    """A state dict: what a model's parameters and buffers are, by name."""

    tensors: Mapping[str, Any]
    """Arrays, tensors, and what is neither, by name, in the order of the file."""
    offsets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Where the fields of a fused table begin, by the name of the module that holds it, where the file tells."""
    classes: tuple[str, ...] = ()
    """The classes whose objects the file holds."""
    part: str = ""
    """The part of the file that it is; empty for all of it."""
    tables: frozenset[str] = frozenset()
    """Tensors of embedding layers, where the model is in memory and tells."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What a .safetensors file says of itself."""
    left: tuple[str, ...] = ()
    """Other parts of the file that hold tensors, each with the reason why they were not taken."""


def find_state(content: Any, classes: tuple[str, ...] = ()) -> State | None:
    """Find the state dict in what a file holds, or the model that was pickled whole.

    Parameters
    ----------
    content : Any
        What `read_foreign_file` returned.
    classes : tuple of str
        The classes that it found.

    Returns
    -------
    State or None
        The part with most tensors that belongs to no optimiser, the first of several; None if there is none.
    """
    parts = [part for part in _parts(content, (), set()) if any(map(is_tensor, part[1].values()))]
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
    """Tell whether a value is an array or a tensor, if only one that is not read."""
    return isinstance(value, Unreadable) or (hasattr(value, "shape") and hasattr(value, "dtype"))


_Part = tuple[tuple[str, ...], dict[str, Any], dict[str, tuple[int, ...]]]


def _parts(value: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[_Part]:
    """Yield every mapping or module that holds tensors itself: its path, its tensors, its offsets.

    What was seen is not walked again: a file may hold itself, or one list in many places.
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
            # What is no tensor in a state dict is told as such; nested parts follow by themselves.
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
    """Yield what torch's named_parameters and named_buffers would, and note the offsets on the way."""
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
    """Tell whether a part of a file, by the keys that lead to it, is an optimiser's state."""
    return any(key.lower().startswith(("opt", "scaler")) or "optim" in key.lower() for key in path)
