"""The project's checkpoint: one `.pt` file that loads without running code and says everything about itself.

The file is a plain dictionary of strings, numbers and tensors, so `torch.load(path, weights_only=True)` reads
it. Beside the weights it holds the run's configuration, the data's schema with the number of training rows a
value, and a layout that tells which tensor is the embedding and which are the projections of the interaction;
a reader needs no knowledge of the model that wrote it.
"""

import pickle
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from collapse.errors import CollapseError
from collapse.files import atomic_write, explained

FORMAT = "embedding-collapse checkpoint"
FORMAT_VERSION = 2
_READABLE = (1, 2)


@dataclass(frozen=True, kw_only=True)
class ProjectionKey:
    """Where one layer's projections of one set lie: a (N K, N K) matrix that acts as y = W x."""

    key: str
    """The tensor's key in the state dict."""
    set: int
    """The set, from 0."""
    layer: int
    """The layer, from 0."""
    factors: str | None = None
    """Key of the (N, N) numbers n[j, i] that multiply block [j, i] of the matrix; None if nothing does."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which tensors of a state dict are the embedding tables and the projections."""

    embedding: str
    """Key of the fused table: shape (sum D_i, M S K), fields stacked, the sets of a row side by side."""
    sets: int
    """The number of sets, M."""
    embedding_size: int
    """The embedding size, K: the columns of one set, or of one of its sub-embeddings."""
    projections: tuple[ProjectionKey, ...] = ()
    """The projections of every set and layer; empty for an interaction without them."""
    sub_embeddings: int = 1
    """The tables of size K side by side in one set, S: N - 1 for FFM, one for every other field in their order."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What one checkpoint file holds."""

    name: str
    """The model's name, with its size."""
    config: Mapping[str, Any]
    """The run's whole configuration as plain values, seeds included."""
    fields: tuple[str, ...]
    """The field names, in the model's order."""
    cardinalities: tuple[int, ...]
    """The rows D_i of every field's table."""
    row_counts: Tensor
    """How often each row was looked up in one pass over the training rows, shape (sum D_i,), int64."""
    layout: Layout
    """Which tensors are what."""
    state_dict: Mapping[str, Tensor]
    """The model's parameters and buffers."""
    data: Mapping[str, Any]
    """The data set: name, hash, number of rows of each split."""
    results: Mapping[str, Any]
    """The epoch these weights are from and what was measured with them."""
    versions: Mapping[str, str]
    """The versions of Python, torch and this package."""
    training_state: Mapping[str, Any] | None = None
    """What resuming needs beside the weights; None in a checkpoint that is only to be read."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    checkpoint : Checkpoint
        What to write.

    Raises
    ------
    CollapseError
        If the file cannot be written; what it held before is kept.
    """
    content = {item.name: getattr(checkpoint, item.name) for item in fields(checkpoint)}
    content |= {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "layout": asdict(checkpoint.layout),
    }
    with explained("write", path), atomic_write(path) as file:
        try:
            torch.save(_canonical(content), file)
        except RuntimeError as error:
            # torch's archive writer reports a full disk as its own failure, with the cause behind it.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, its tensors mapped from the file and not copied.

    Parameters
    ----------
    path : Path
        A file that `save_checkpoint` wrote.

    Returns
    -------
    Checkpoint
        Its content, on the CPU.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, not a checkpoint of this project, of a later format, or would have to
        run code to be read.
    """
    content = _load_plain(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CollapseError(f"{path} is a torch file but no checkpoint of this project: it has no format mark")
    version = content.get("format_version")
    if version not in _READABLE:
        raise CollapseError(
            f"{path} has checkpoint format {version!r} and this version reads up to {FORMAT_VERSION}: "
            "install the version that wrote it, or a later one"
        )
    missing = [item.name for item in fields(Checkpoint) if item.name not in content]
    if missing:
        raise CollapseError(f"{path} lacks the key {missing[0]!r} of a checkpoint: it is damaged")
    try:
        checkpoint = Checkpoint(
            **{item.name: content[item.name] for item in fields(Checkpoint) if item.name != "layout"},
            layout=_layout(content["layout"]),
        )
        _check(checkpoint)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise CollapseError(f"{path} is damaged: {error}") from error
    return checkpoint


def _canonical(value: Any) -> Any:
    """Rebuild containers and share equal strings, so that equal contents give equal bytes."""
    if isinstance(value, str):
        return sys.intern(str(value))
    if isinstance(value, Mapping):
        return {_canonical(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_canonical(item) for item in value)
    return value


def _load_plain(path: Path) -> Any:
    if path.is_dir():
        raise CollapseError(f"{path} is a folder: name the checkpoint in it, such as {path / 'best.pt'}")
    try:
        # Opened first, so that a missing or forbidden file is told apart from a damaged one.
        with explained("read", path), path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise CollapseError(f"{path} is not a torch checkpoint: it is no zip archive")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CollapseError(
            f"{path} was refused: it holds objects whose code would have to run to read it; "
            "ask for a file with the state dict alone"
        ) from error
    except (RuntimeError, OSError, EOFError, KeyError, ValueError) as error:
        raise CollapseError(f"{path} is damaged or cut off: {str(error).splitlines()[0]}") from error


def _layout(plain: Mapping[str, Any]) -> Layout:
    projections = tuple(ProjectionKey(**projection) for projection in plain["projections"])
    return Layout(**{**plain, "projections": projections})


def _check(checkpoint: Checkpoint) -> None:
    layout, N = checkpoint.layout, len(checkpoint.fields)
    rows, columns = sum(checkpoint.cardinalities), layout.sets * layout.sub_embeddings * layout.embedding_size
    if len(checkpoint.cardinalities) != N:
        raise ValueError(f"it names {N} fields and {len(checkpoint.cardinalities)} cardinalities")
    expected = {layout.embedding: (rows, columns)}
    expected |= {item.key: (N * layout.embedding_size,) * 2 for item in layout.projections}
    expected |= {item.factors: (N, N) for item in layout.projections if item.factors is not None}
    if layout.sub_embeddings not in (1, N - 1):
        raise ValueError(f"it has {layout.sub_embeddings} sub-embeddings a field, and not 1 or {N - 1}")
    for key, shape in expected.items():
        if key not in checkpoint.state_dict:
            raise ValueError(f"its layout names the tensor {key!r}, which it does not hold")
        if tuple(checkpoint.state_dict[key].shape) != shape:
            raise ValueError(f"tensor {key!r} has shape {tuple(checkpoint.state_dict[key].shape)}, not {shape}")
    if tuple(checkpoint.row_counts.shape) != (rows,):
        raise ValueError(f"it counts training rows for {len(checkpoint.row_counts)} values of {rows}")
