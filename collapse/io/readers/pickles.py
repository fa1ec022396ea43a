"""Pickles outside torch files: plain arrays, Paddle's parameters, and models of gensim with their side-cars.

None of the code that a pickle names is run. Classes become inert stand-ins, which hold the arrays.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from collapse.errors import CollapseError
from collapse.files.opening import open_file
from collapse.io.formats.sample import Format, Sample, both, is_pickle
from collapse.io.readers.arrays import read_npy, vectors_by_key
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State, find_state, plain
from collapse.io.torch_file import Stub
from collapse.io.torch_file.unpickler import unpickled
from collapse.printable import one_line, path_text

_VECTORS = re.compile(r"(^|\.)(vectors|vectors_vocab|vectors_ngrams|syn0)$")
"""Attributes of gensim's models that are tables; syn1 and syn1neg are output layers."""
_DERIVED = re.compile(r"(^|\.)vectors(_vocab)?$")


def read_pickle(path: Path, _verify: bool = True) -> State:
    """Read the arrays of a pickle into memory.

    Parameters
    ----------
    path : Path
        A dictionary or list of arrays, an array, or an object with such attributes.

    Raises
    ------
    CollapseError
        If the pickle is damaged or holds no array.
    """
    content, classes = _unpickled(path)
    if isinstance(content, Mapping):
        content = vectors_by_key(content)
    state = find_state(content, classes, name=path_text(Path(path.stem)))
    if state is None:
        raise CollapseError(f"{path} is a pickle that holds no array of numbers")
    return state


def read_gensim(path: Path, _verify: bool = True) -> State:
    """Read the vectors of a gensim model, and how often each word occurred.

    Large arrays, which gensim saves next to the model as ``NAME.vectors.npy``, are mapped.

    Raises
    ------
    CollapseError
        If the model or a side-car is damaged or missing.
    """
    content, _ = _unpickled(path)
    if not isinstance(content, Mapping | Stub):
        raise CollapseError(f"{path} is a gensim model without vectors")
    arrays = dict(_attributes(content, "", path, set()))
    tensors = {name: array for name, array in arrays.items() if getattr(array, "ndim", 0) == 2}
    tables = {name for name in tensors if _VECTORS.search(name)}
    counts = {
        name: arrays[count]
        for name in tables
        if (count := _DERIVED.sub(r"\1expandos.count", name)) in arrays and count != name
    }
    if not tables:
        raise CollapseError(f"{path} is a gensim model without vectors")
    return State(tensors=tensors, tables=frozenset(tables), row_counts=counts, format="gensim")


def _unpickled(path: Path) -> tuple[Any, tuple[str, ...]]:
    with explain_damage(path, "a complete pickle"), open_file(path) as file:
        return unpickled(file.read())


def _attributes(owner: Any, prefix: str, path: Path, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of a model by name. Nothing is walked twice."""
    if id(owner) in seen:
        return
    seen.add(id(owner))
    held = owner.attributes if isinstance(owner, Stub) else owner
    apart = held.get("__numpys", ())
    for name in apart if isinstance(apart, list) else ():
        side_car = path.parent / f"{path.name}.{prefix}{name}.npy"
        # The name is from the file and must not lead elsewhere.
        if side_car.parent != path.parent:
            raise CollapseError(f"{path} names an array outside of its folder")
        if not side_car.exists():
            raise CollapseError(
                f"{one_line(path_text(side_car))} is missing, which holds the array {name!r} of {path.name}"
            )
        yield f"{prefix}{name}", next(iter(read_npy(side_car).tensors.values()))
    for name, value in held.items():
        value = plain(value)
        if isinstance(value, np.ndarray):
            yield f"{prefix}{name}", value
        elif isinstance(value, Mapping | Stub):
            yield from _attributes(value, f"{prefix}{name}.", path, seen)


def _is_gensim(sample: Sample) -> bool:
    return b"gensim" in sample.head[:200]


FORMATS = (
    Format(
        name="a gensim model (.kv, .model)",
        matches=both(is_pickle, _is_gensim),
        read=read_gensim,
        about="KeyedVectors, Word2Vec, FastText and Doc2Vec, with the .npy files next to it",
    ),
    Format(
        name="a pickle (.pkl, .pdparams)",
        matches=is_pickle,
        read=read_pickle,
        about="arrays, dictionaries and lists of them, parameters of Paddle; no code in it is run",
    ),
)
"""Pickles that are not torch files."""
