"""`load` reads a checkpoint of any kind into tables and field maps."""

import os
from pathlib import Path
from typing import Any

from collapse.errors import CollapseError
from collapse.io.checkpoint.checking import is_checkpoint, to_checkpoint
from collapse.io.formats.recognise import recognise
from collapse.io.low_rank import factors_of_state, is_factors, read_factors
from collapse.io.readers.folder import refuse_folder
from collapse.io.readers.foreign import read_state
from collapse.io.readers.native import tables_of
from collapse.io.readers.objects import read_object
from collapse.io.readers.row_counts import as_row_counts, with_row_counts
from collapse.io.readers.selection import Selection
from collapse.io.readers.state import find_state
from collapse.io.tables import TableSet
from collapse.io.torch_file import read_foreign_file, refuse_foreign
from collapse.printable import path_text


def load(source: Any, *, verify: bool = True, selection: Selection | None = None) -> TableSet:
    """Read the embedding tables and field maps of a checkpoint or of objects in memory.

    Parameters
    ----------
    source : str, Path or object
        Path of a checkpoint of ``collapse train``, of a torch file of another library (a state dict or a whole
        pickled model), of a file of arrays (.npy, .npz, .safetensors), or of a folder of Hugging Face or
        ``torch.distributed.checkpoint``. No code in it is run.

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
    is_path = isinstance(source, str | os.PathLike)
    tables = _read(Path(source), verify, selection) if is_path else read_object(source, selection)
    return tables if selection.row_counts is None else with_row_counts(tables, as_row_counts(selection.row_counts))


def _read(path: Path, verify: bool, selection: Selection) -> TableSet:
    found = recognise(path)
    if found is not None and found.read is not None:
        if selection.id_column is not None and not found.has_columns:
            raise CollapseError(f"{path} is {found.name}, which has no columns with names: leave out --id-column")
        named = {"id_column": selection.id_column} if found.has_columns else {}
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
