"""Keras: whole models (.h5, .keras) and weights (.weights.h5), which are HDF5 files.

A data set that is stored in one piece is mapped. Others are read a few rows at a time. Links to other files are
not followed.
"""

import json
import mmap
import re
import zipfile
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from collapse.errors import CollapseError
from collapse.extras import require
from collapse.files.opening import map_file, open_file
from collapse.io.blocks import Block, BlockTable
from collapse.io.formats.sample import Format, starts, zipped
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State
from collapse.io.torch_file import Unreadable

_WEIGHTS = "model.weights.h5"
_AUTOMATIC = re.compile(r"(embedding|dense|sequential|functional|model)(_\d+)?")
"""Names that Keras gives to layers without one."""
_OPTIMISER = re.compile(r"(^|/)(optimizer|optimizer_weights|_optimizer)(/|$)")
_PLACES = re.compile(r"(^|/)(vars|layers|model_weights|_layer_checkpoint_dependencies)(?=/|$)")
"""Groups that are the same in every model."""
_EXPANSION = 2000
"""Most bytes of numbers for each stored byte: deflate does not reach it."""


@dataclass(frozen=True)
class _Source:
    """Position of an HDF5 file."""

    path: Path
    """The file that holds it."""
    start: int
    """Its first byte: not 0 for a file in an archive."""


def read_hdf5(path: Path, _verify: bool = True) -> State:
    """Read the data sets of an HDF5 file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    State
        The data sets under the names of their layers. Those of an optimiser are listed under ``left``.

    Raises
    ------
    CollapseError
        If h5py is not installed, or the file is damaged.
    """
    require("h5py", f"{path}, an HDF5 file,")
    import h5py

    with explain_damage(path, "a complete HDF5 file"):
        return _state(h5py.File(path, "r"), _Source(path, 0))


def read_keras(path: Path, _verify: bool = True) -> State:
    """Read the weights in a ``.keras`` file, which is an archive.

    Raises
    ------
    CollapseError
        If h5py is not installed, or the file is damaged.
    """
    require("h5py", f"{path}, a Keras model,")
    import h5py

    with explain_damage(path, "a complete .keras file"), open_file(path) as file, zipfile.ZipFile(file) as archive:
        member = archive.getinfo(_WEIGHTS)
        embeddings = _embedding_layers(archive)
        if member.compress_type != zipfile.ZIP_STORED:
            raise CollapseError(f"{path} is compressed: unpack it, and pass {_WEIGHTS}")
        file.seek(member.header_offset + 26)
        start = file.tell() + 4 + sum(int.from_bytes(file.read(2), "little") for _ in range(2))
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if start + member.file_size > len(whole):
            raise ValueError(f"{_WEIGHTS} is incomplete")
        weights = _Window(whole, start, member.file_size)
        return _state(h5py.File(weights, "r"), _Source(path, start), embeddings)


def _embedding_layers(archive: zipfile.ZipFile) -> tuple[str, ...]:
    """Return the names of the embedding layers in the order of the model's configuration."""
    with archive.open("config.json") as file:
        config = json.loads(file.read(1 << 26))
    found: dict[str, None] = {}
    waiting = deque([config])
    while waiting:
        each = waiting.popleft()
        if isinstance(each, dict):
            if each.get("class_name") == "Embedding" and isinstance(each.get("config"), dict):
                found[str(each["config"].get("name"))] = None
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return tuple(found)


class _Window:
    """A part of a mapped file as a file of its own, which h5py can read."""

    def __init__(self, whole: mmap.mmap, start: int, size: int) -> None:
        self._whole, self._start, self._size, self._at = whole, start, size, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        part = self._whole[self._start + self._at : self._start + max(end, self._at)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._at + size, self._size)
        part = self._whole[self._start + self._at : self._start + max(end, self._at)]
        self._at += len(part)
        return part


def _state(file: Any, source: _Source, embeddings: tuple[str, ...] = ()) -> State:
    found, optimiser = {}, 0
    for path, data in _data_sets(file):
        if _OPTIMISER.search(path):
            optimiser += 1
        else:
            found[path] = data
    layers = {path: _layer(file, path, embeddings) for path in found}
    names = _unique(found, layers)
    return State(
        tensors={names[path]: _tensor(data, source) for path, data in found.items()},
        tables=frozenset(names[path] for path in found if layers[path] in embeddings),
        format="Keras" if "keras_version" in file.attrs or any(map(_PLACES.search, found)) else "HDF5",
        left=(f"{optimiser} tensors (an optimiser's state)",) if optimiser else (),
    )


def _data_sets(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield all data sets by path, in the order of the layers if the file tells it.

    Soft and external links are not followed, and no object is visited twice.
    """
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(visit)
    weights = file.get("model_weights", file)
    order = {str(name): number for number, name in enumerate(weights.attrs.get("layer_names", ()))}
    last = len(order)
    yield from sorted(
        found.items(), key=lambda item: order.get(_PLACES.sub("", item[0]).strip("/").split("/")[0], last)
    )


def _layer(file: Any, path: str, embeddings: tuple[str, ...]) -> str:
    """Return the name of the layer of a data set; empty if there is none.

    Keras 3 keeps it as an attribute. Keras 2 counts the embedding layers in the order of the configuration.
    """
    name = file[path].parent.attrs.get("name", "") if "/vars/" in path else ""
    if not name and (found := re.search(r"(?:^|/)layers/embedding(?:_(\d+))?/vars/", path)):
        number = int(found[1] or 0)
        name = embeddings[number] if number < len(embeddings) else ""
    return name if isinstance(name, str) else ""


def _unique(found: Mapping[str, Any], layers: Mapping[str, str]) -> dict[str, str]:
    """Name data sets after their layers, or by their paths without the groups that are the same in every model."""
    names: dict[str, str] = {}
    used: set[str] = set()
    for path in found:
        short = "/".join(dict.fromkeys(_PLACES.sub("", path).strip("/").split("/")))
        layer = layers[path]
        if "/vars/" in path:
            folder, _, number = path.rpartition("/vars/")
            inner = _PLACES.sub("", folder).strip("/")
            named = inner if not layer or _AUTOMATIC.fullmatch(layer) else layer
            last = inner.rpartition("/")[2]
            is_table = number == "0" and _reads_like_a_layer(last, layer)
            short = f"{named}/embeddings" if is_table else f"{named}/vars/{number}"
        names[path] = path if short in used else short
        used.add(names[path])
    return names


def _reads_like_a_layer(last: str, layer: str) -> bool:
    return any(re.fullmatch(r"embedding(_\d+)?", name) for name in (last, layer))


def _tensor(data: Any, source: _Source) -> Any:
    """Return a data set as a mapped array, or as a table that is read a few rows at a time."""
    dtype = data.dtype
    if dtype.kind not in "fiub" or len(data.shape) not in (1, 2):
        return Unreadable(f"{len(data.shape)}-dimensional" if dtype.kind in "fiub" else "text")
    if data.external or data.is_virtual:
        return Unreadable("in another file")
    stored = data.id.get_storage_size()
    if data.nbytes > _EXPANSION * max(stored, 1):
        return Unreadable("far larger than what is stored of it")
    offset = data.id.get_offset()
    if offset is not None and stored == data.nbytes:
        whole = np.frombuffer(map_file(source.path), np.uint8)
        start = source.start + offset
        return whole[start : start + stored].view(dtype).reshape(data.shape)
    if len(data.shape) != 2:
        return data[()]
    return BlockTable([Block(row=0, column=0, shape=data.shape, read=lambda: data)], dtype)


FORMATS = (
    Format(
        name="a .keras model",
        matches=zipped(rf"^{re.escape(_WEIGHTS)}$"),
        read=read_keras,
        about="the weights of Keras 3, and of Keras 2.12 or later",
        needs="h5py",
    ),
    Format(
        name="an HDF5 file (.h5, .weights.h5)",
        matches=starts(b"\x89HDF\r\n\x1a\n"),
        suffixes=(".h5", ".hdf5"),
        read=read_hdf5,
        about="models and weights of Keras, and plain matrices",
        needs="h5py",
    ),
)
"""Files of Keras."""
