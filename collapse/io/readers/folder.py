"""Folders that hold one model in several files: ``torch.distributed.checkpoint`` and Hugging Face."""

from pathlib import Path

from collapse.errors import CollapseError
from collapse.files.opening import explain_os_errors
from collapse.io.readers.arrays import read_arrays
from collapse.io.readers.distributed import METADATA, read_distributed
from collapse.io.readers.state import State, find_state
from collapse.io.torch_file import read_foreign_file

_FORMS = ("*.safetensors", "pytorch_model*.bin")


def read_folder(folder: Path, *, verify: bool = True) -> State:
    """Read the tensors of a folder.

    Parameters
    ----------
    folder : Path
        The folder.
    verify : bool
        Compare the bytes with checksums.

    Returns
    -------
    State
        All tensors, by name.

    Raises
    ------
    CollapseError
        If there are no such files, or one cannot be read.
    """
    with explain_os_errors("read", folder):
        if (folder / METADATA).exists():
            return read_distributed(folder, verify=verify)
        found = next((files for form in _FORMS if (files := sorted(folder.glob(form)))), None)
    if found is None:
        raise CollapseError(
            f"{folder} is a folder without {METADATA}, {' or '.join(_FORMS)}: pass the checkpoint in it, for "
            f"example {folder / 'best.pt'}"
        )
    states = [_state(file, verify) for file in found]
    return State(tensors={name: tensor for state in states for name, tensor in state.tensors.items()})


def _state(file: Path, verify: bool) -> State:
    if file.suffix == ".safetensors":
        return read_arrays(file)
    content, classes = read_foreign_file(file, verify=verify)
    return find_state(content, classes) or State(tensors={})
