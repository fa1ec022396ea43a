"""Reading checkpoints into tables and field maps: `load` is the one door."""

from pathlib import Path

from collapse.analysis.readers.arrays import SUFFIXES, read_arrays
from collapse.analysis.readers.native import read_native
from collapse.tables import TableSet


def load(path: str | Path, *, verify: bool = True) -> TableSet:
    """Read a checkpoint.

    Parameters
    ----------
    path : str or Path
        A checkpoint that ``collapse train`` wrote, or a plain file of tables (.npy, .npz, .safetensors).
    verify : bool
        Whether the bytes of its tensors are compared with the file's own checksums, which reads all of them.

    Returns
    -------
    TableSet
        Its embedding tables and field maps.

    Raises
    ------
    CollapseError
        If the file is missing, damaged, or of a family that is not known.
    """
    if Path(path).suffix in SUFFIXES:
        return read_arrays(Path(path))
    return read_native(Path(path), verify=verify)
