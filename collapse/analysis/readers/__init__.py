"""Reading checkpoints into tables and field maps: `load` is the one door."""

from pathlib import Path

from collapse.analysis.readers.arrays import SUFFIXES, is_plain, read_arrays
from collapse.analysis.readers.factors import factors_of_state, is_factors, read_factors
from collapse.analysis.readers.folder import read_folder
from collapse.analysis.readers.foreign import read_state
from collapse.analysis.readers.native import tables_of
from collapse.analysis.readers.roles import Selection
from collapse.analysis.readers.state import find_state
from collapse.checkpoint import is_checkpoint, to_checkpoint
from collapse.errors import CollapseError
from collapse.tables import TableSet
from collapse.torch_file import read_foreign_file, refuse_foreign
from collapse.visible import path_text


def load(path: str | Path, *, verify: bool = True, selection: Selection | None = None) -> TableSet:
    """Read a checkpoint.

    Parameters
    ----------
    path : str or Path
        A checkpoint that ``collapse train`` wrote; a torch file that another library wrote, or a model that was
        pickled whole; a file of arrays (.npy, .npz, .safetensors); or a folder of Hugging Face's or of
        ``torch.distributed.checkpoint``. No code in it is run.
    verify : bool
        Whether the bytes of its tensors are compared with the file's own checksums, which reads all of them.
    selection : Selection, optional
        What a foreign file does not say itself: its fields, and which tensors are tables.

    Returns
    -------
    TableSet
        Its embedding tables and field maps.

    Raises
    ------
    CollapseError
        If the file is missing or damaged, no table is found in it, or the selection does not fit it.
    """
    path, selection = Path(path), selection or Selection()
    if path.is_dir():
        return read_state(read_folder(path, verify=verify), path, selection)
    if path.suffix in SUFFIXES:
        state = read_arrays(path)
        if is_factors(state.metadata):
            return read_factors(factors_of_state(state, path), path)
        return read_state(state, path, selection, every_matrix=is_plain(state))
    content, foreign = read_foreign_file(path, verify=verify)
    if is_checkpoint(content):
        refuse_foreign(path, foreign)
        return tables_of(to_checkpoint(content, path, arrays=True), source=path_text(path))
    if is_factors(content):
        refuse_foreign(path, foreign)
        return read_factors(content, path)
    found = find_state(content, foreign)
    if found is None:
        raise CollapseError(f"{path} is a torch file without a tensor in it")
    return read_state(found, path, selection)
