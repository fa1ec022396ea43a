"""`load` reads a checkpoint of any kind into tables and field maps."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from collapse.errors import CollapseError
from collapse.files.urls import Url, path_or_url
from collapse.io.checkpoint.checking import is_checkpoint, to_checkpoint
from collapse.io.formats.recognise import recognise
from collapse.io.low_rank import factors_of_state, is_factors, read_factors
from collapse.io.readers.damage import explain_failure
from collapse.io.readers.folder import refuse_folder
from collapse.io.readers.foreign import read_state
from collapse.io.readers.native import tables_of
from collapse.io.readers.objects import read_object
from collapse.io.readers.row_counts import as_row_counts, with_row_counts
from collapse.io.readers.selection import Selection
from collapse.io.readers.state import find_state
from collapse.io.remote.parts import read_in_parts
from collapse.io.remote.place import RemotePlace
from collapse.io.tables import TableSet
from collapse.io.torch_file import read_foreign_file, refuse_foreign
from collapse.printable import path_text


def load(source: Any, *, verify: bool = True, selection: Selection | None = None) -> TableSet:
    """Read the embedding tables and field maps of a checkpoint or of objects in memory.

    Parameters
    ----------
    source : str, Path or object
        Path or URL of a checkpoint of ``collapse train``, or of a file or folder in another format that
        ``collapse formats`` lists. No code in it is run.

        Or a model (``nn.Module``), a state dict, arrays or embedding layers by name, one array or tensor, or an
        ``nn.Embedding``. A single array becomes the table of a field called ``table``.
    verify : bool
        Compare the bytes of the tables with the file's checksums, which reads all of them.
    selection : Selection, optional
        What a foreign file or model does not say: its fields, which tensors are tables, and how often each row was
        looked up.

    Raises
    ------
    CollapseError
        If the file is missing or damaged, no table is found, or the selection does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import collapse
    >>> collapse.load({"user": np.eye(5, 3), "item": np.eye(4, 3)})
    <TableSet a state dict: 2 fields, 9 rows, K = 3>
    """
    selection = selection or Selection()
    if isinstance(source, str | os.PathLike):
        tables = _read_path(path_or_url(source), verify, selection)
    else:
        tables = read_object(source, selection)
    return tables if selection.row_counts is None else with_row_counts(tables, as_row_counts(selection.row_counts))


def _read_path(path: Path | Url, verify: bool, selection: Selection) -> TableSet:
    return _read_url(path, verify, selection) if isinstance(path, Url) else _read(path, verify, selection)


def _read_url(url: Url, verify: bool, selection: Selection) -> TableSet:
    """Read what is behind a URL in parts, or a copy of it."""
    place = RemotePlace.at(url)
    if not place.exists() and place.files.exists(f"{place.path}.index"):
        raise CollapseError(f"{url} is the prefix of a TensorFlow checkpoint: pass its folder, which is copied")
    state = read_in_parts(place, verify=verify)
    if state is not None and is_factors(state.metadata):
        state = None
    if state is not None:
        return read_state(state, url, selection)
    copy = place.copied_folder() if place.is_dir() else place.copied()
    try:
        return replace(_read(copy, verify, selection), source=str(url))
    except CollapseError as error:
        raise CollapseError(str(error).replace(str(copy), str(url))) from error


def _read(path: Path, verify: bool, selection: Selection) -> TableSet:
    found = recognise(path)
    if found is not None and found.read is not None:
        if selection.id_column is not None and not found.has_columns:
            raise CollapseError(f"{path} is {found.name}, which has no columns with names: leave out --id-column")
        named = {"id_column": selection.id_column} if found.has_columns else {}
        # A reader names what is wrong where it can. Whatever else a damaged file raises is one sentence, too.
        with explain_failure(path, f"complete, or not {found.name}"):
            state = found.read(path, verify, **named)
        if is_factors(state.metadata):
            return read_factors(factors_of_state(state, path), path)
        return read_state(state, path, selection)
    if path.is_dir():
        refuse_folder(path)
    content, foreign = read_foreign_file(path, verify=verify)
    if is_checkpoint(content):
        refuse_foreign(path, foreign)
        return tables_of(to_checkpoint(content, path, arrays=True), source=path_text(path))
    if is_factors(content):
        refuse_foreign(path, foreign)
        return read_factors(content, path)
    in_file = find_state(content, foreign, name=path_text(Path(path.stem)))
    if in_file is None:
        raise CollapseError(f"{path} is a torch file that holds no tensor")
    return read_state(in_file, path, selection)
