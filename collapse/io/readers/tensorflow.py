"""TensorFlow: SavedModel, ``tf.train.Checkpoint``, ``tf.compat.v1.train.Saver``, and DeepRec's tables of keys.

No TensorFlow is needed. A checkpoint holds a tensor under a key. Since TensorFlow 2 it also holds the graph of the
objects that the tensors belong to, which tells a layer's name, and tells a table from the state of an optimiser.
"""

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from collapse.errors import CollapseError
from collapse.files.opening import open_file
from collapse.io.blocks import stacked
from collapse.io.formats.sample import Format, Sample, either, holds
from collapse.io.readers import protobuf
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.side_cars import features_next_to
from collapse.io.readers.sorted_table import MAGIC
from collapse.io.readers.state import State
from collapse.io.readers.tensor_bundle import read_bundle

_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_DATA = re.compile(r"(.+)\.data-\d{5}-of-\d{5}")
_LATEST = re.compile(r'^model_checkpoint_path: "([^"\n]+)"', re.MULTILINE)
_TABLE = re.compile(r"(^|/)_?(embeddings|embedding_weights|embedding_table)(:0)?$")
"""Last part of the name of a table in Keras, in feature columns, and in TPU embeddings."""
_GENERIC = re.compile(r"_.*|\d+|layer(_with_weights)?-\d+|(model|variables)")
"""Parts of a path that say nothing about a layer."""
_AUTOMATIC = re.compile(r"(embedding|sequential|functional|model|layer)(_\d+)?")
"""Names that Keras gives to layers without one."""
_UNNAMED = "the file numbers the variables and does not name their layers"
_PART = re.compile(r"/part_(\d+)$")


@dataclass(frozen=True)
class _Variable:
    """A variable of the graph of objects."""

    key: str
    """Key of its tensor."""
    full: str
    """Its name, after that of its layer."""
    path: str
    """Attributes that lead to it."""
    is_table: bool
    """Whether its name is that of a table."""


def read_tensorflow(path: Path, verify: bool = True) -> State:
    """Read the variables of a checkpoint.

    Parameters
    ----------
    path : Path
        A SavedModel, a folder of checkpoints, of which the latest is read, an index (``PREFIX.index``), a file of
        data, or the prefix of both.
    verify : bool
        Compare matrices with their checksums.

    Returns
    -------
    State
        The variables by name, mapped from the files. What belongs to an optimiser, and what is there twice, is
        listed under ``left``.

    Raises
    ------
    CollapseError
        If a file is missing or damaged.
    """
    bundle = read_bundle(_prefix(path), verify=verify)
    if _GRAPH not in bundle.texts:
        return _without_graph(bundle.tensors, features_next_to(path))
    with explain_damage(
        _prefix(path).with_name(f"{_prefix(path).name}.index"), "a complete TensorFlow checkpoint"
    ):
        variables, optimiser, twice = _variables(memoryview(bundle.texts[_GRAPH]))
    names = _names([variable for variable in variables if variable.key in bundle.tensors])
    return State(
        tensors={name: bundle.tensors[variable.key] for name, variable in names.items()},
        tables=frozenset(name for name, variable in names.items() if variable.is_table),
        format="TensorFlow",
        notes=(_UNNAMED,) if any(name.startswith("variables/") for name in names) else (),
        left=tuple(
            f"{count} tensors ({reason})"
            for keys, reason in ((optimiser, "an optimiser's state"), (twice, "listed a second time"))
            if (count := len(keys & bundle.tensors.keys()))
        ),
    )


def _prefix(path: Path) -> Path:
    if path.name.endswith(".index"):
        return path.with_name(path.name.removesuffix(".index"))
    if found := _DATA.fullmatch(path.name):
        return path.with_name(found[1])
    if not path.is_dir():
        return path
    if (path / "saved_model.pb").exists():
        return path / "variables" / "variables"
    latest = None
    if (path / "checkpoint").is_file():
        with open_file(path / "checkpoint") as file:
            latest = _LATEST.search(file.read(1 << 16).decode(errors="replace"))
    if latest is not None and (path / f"{Path(latest[1]).name}.index").exists():
        return path / Path(latest[1]).name
    indices = sorted(path.glob("*.index"))
    if len(indices) != 1:
        raise CollapseError(
            f"{path} holds {len(indices)} checkpoints of TensorFlow, and no file says which is the latest: pass "
            f"one of them, for example {indices[-1]}"
        )
    return _prefix(indices[0])


def _variables(graph: memoryview) -> tuple[list[_Variable], set[str], set[str]]:
    """Return the variables of a model, the keys of an optimiser's tensors, and the keys of second listings."""
    nodes = list(protobuf.messages(graph, 1))
    children = [
        [(protobuf.text(child, 2), protobuf.number(child, 1)) for child in protobuf.messages(node, 1)]
        for node in nodes
    ]
    slots = {protobuf.number(slot, 3) for node in nodes for slot in protobuf.messages(node, 3)}
    paths = _paths(children, slots)
    found: list[_Variable] = []
    optimiser: set[str] = set()
    twice: set[str] = set()
    for number, node in enumerate(nodes):
        for attribute in protobuf.messages(node, 2):
            full, key = protobuf.text(attribute, 2), protobuf.text(attribute, 3)
            if number in paths:
                is_table = any(_TABLE.search(name) for name in (full, paths[number]))
                found.append(_Variable(key, full.removesuffix(":0"), paths[number], is_table))
            else:
                (twice if key.startswith("_all_variables/") else optimiser).add(key)
    known = {variable.key for variable in found}
    return found, optimiser - known, twice - known


def _paths(children: list[list[tuple[str, int]]], slots: set[int]) -> dict[int, str]:
    """Return the attributes that lead to each node, none of them an optimiser's, those of layers before lists."""
    found: dict[int, str] = {}
    layers, lists = deque([("", 0)]), deque[tuple[str, int]]()
    while layers or lists:
        path, node = layers.popleft() if layers else lists.popleft()
        if node in found or node in slots or not 0 <= node < len(children):
            continue
        found[node] = path
        for name, child in children[node]:
            if not name.startswith(("optimizer", "_all_variables")):
                waiting = lists if name.startswith("_") or name.endswith("variables") else layers
                waiting.append((f"{path}/{name}".lstrip("/"), child))
    return found


def _names(variables: list[_Variable]) -> dict[str, _Variable]:
    """Name variables after the layer that the user named, or the attributes that lead to it, or by their keys."""
    layers = [variable.full.rpartition("/")[0] for variable in variables]
    by_layer = ["" if _AUTOMATIC.fullmatch(layer.rpartition("/")[2]) else layer for layer in layers]
    by_path = ["/".join(_telling(variable.path)) for variable in variables]
    choices = [
        [layer, path] if variable.is_table else [variable.full]
        for variable, layer, path in zip(variables, by_layer, by_path, strict=True)
    ]
    counts = Counter(name for choice in choices for name in set(choice))
    named: dict[str, _Variable] = {}
    for variable, choice in zip(variables, choices, strict=True):
        unique = (name for name in choice if name and counts[name] == 1 and name not in named)
        name = next(unique, variable.key.partition("/.ATTRIBUTES")[0])
        named[name if name not in named else variable.key] = variable
    return named


def _telling(path: str) -> list[str]:
    folders = path.split("/")[:-1]
    return [name for name in folders if not _GENERIC.fullmatch(name)]


def _without_graph(tensors: Mapping[str, Any], features: frozenset[str]) -> State:
    """Read a checkpoint of TensorFlow 1: slots of an optimiser follow the name of their variable.

    EasyRec names the table of a feature after it, with ``_embedding`` at the end.
    """
    dynamic = {
        name.removesuffix("-values") for name in tensors if name.endswith("-values") and _keys(name) in tensors
    }
    kept = {name: tensor for name, tensor in tensors.items() if name.rpartition("-")[0] not in dynamic}
    slots = [name for name in kept if _owner(name, kept)]
    tables, counts = _dynamic_tables(tensors, {name for name in dynamic if name.rpartition("/")[0] not in dynamic})
    plain = {name: tensor for name, tensor in kept.items() if name not in slots}
    slots += [name for name in dynamic if name.rpartition("/")[0] in dynamic]
    found = {**plain, **tables}
    words = [(name, part.removesuffix("_embedding")) for name in found for part in name.split("/")]
    return State(
        tensors=found,
        fields={name: word for name, word in words if word in features},
        tables=frozenset({*tables, *(name for name in plain if _TABLE.search(name))}),
        row_counts=counts,
        format="TensorFlow",
        left=(f"{len(slots)} tensors (an optimiser's state)",) if slots else (),
    )


def _keys(values: str) -> str:
    return f"{values.removesuffix('values')}keys"


def _owner(name: str, tensors: Mapping[str, Any]) -> bool:
    """Return whether a tensor belongs to another one of the same shape, whose name its own name continues."""
    owner = name.rpartition("/")[0]
    return owner in tensors and tuple(tensors[owner].shape) == tuple(tensors[name].shape)


def _dynamic_tables(tensors: Mapping[str, Any], names: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return DeepRec's tables of keys, with how often each row was looked up. Parts are put together."""
    parts: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: [int(part) for part in _PART.findall(name)]):
        parts.setdefault(_PART.sub("", name), []).append(name)
    tables, counts = {}, {}
    for table, of_table in parts.items():
        values = [tensors[f"{name}-values"] for name in of_table]
        if any(len(part.shape) != 2 for part in values):
            continue
        values = [part for part in values if part.shape[0]] or values[:1]
        tables[table] = stacked(values)
        frequencies = [tensors.get(f"{name}-freqs") for name in of_table]
        listed = [each for each in frequencies if isinstance(each, np.ndarray) and each.ndim == 1]
        if len(listed) == len(frequencies):
            counts[table] = np.concatenate(listed).astype(np.int64)
    return tables, counts


def _is_data(sample: Sample) -> bool:
    return _DATA.fullmatch(sample.path.name) is not None


FORMATS = (
    Format(
        name="a TensorFlow SavedModel",
        matches=holds(r"saved_model\.pb", "variables"),
        read=read_tensorflow,
        about="its variables",
    ),
    Format(
        name="a TensorFlow checkpoint",
        matches=either(holds(r".*\.index"), lambda sample: sample.tail.endswith(MAGIC), _is_data),
        read=read_tensorflow,
        about="folder, prefix, .index or .data file of tf.train.Checkpoint or tf.compat.v1.train.Saver; "
        "DeepRec's tables",
    ),
)
"""Folders and files of TensorFlow."""
