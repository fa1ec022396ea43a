"""Folders that hold one model in several files: ``torch.distributed.checkpoint`` and Hugging Face."""

import fnmatch
import re
from pathlib import Path

from collapse.errors import CollapseError
from collapse.files.opening import explain_os_errors
from collapse.io.formats.sample import Format, either, holds
from collapse.io.readers.arrays import read_safetensors
from collapse.io.readers.distributed import METADATA, read_distributed
from collapse.io.readers.state import State, find_state
from collapse.io.torch_file import read_foreign_file

_FORMS = ("*.safetensors", "pytorch_model*.bin")


def read_hugging_face(folder: Path, verify: bool = True) -> State:
    """Read the tensors of a folder of ``.safetensors`` or ``pytorch_model*.bin`` files, which are one model.

    Parameters
    ----------
    folder : Path
        The folder. If it has files of both kinds, those of safetensors are read.
    verify : bool
        Compare the bytes with checksums.

    Raises
    ------
    CollapseError
        If a file cannot be read.
    """
    with explain_os_errors("read", folder):
        found = next(files for form in _FORMS if (files := sorted(folder.glob(form))))
    states = [_state(file, verify) for file in found]
    return State(tensors={name: tensor for state in states for name, tensor in state.tensors.items()})


def _state(file: Path, verify: bool) -> State:
    if file.suffix == ".safetensors":
        return read_safetensors(file)
    content, classes = read_foreign_file(file, verify=verify)
    return find_state(content, classes) or State(tensors={})


def refuse_folder(folder: Path) -> None:
    """Refuse a folder without a checkpoint.

    Raises
    ------
    CollapseError
        Always.
    """
    raise CollapseError(
        f"{folder} is a folder without {METADATA}, {' or '.join(_FORMS)}: pass the checkpoint in it, for "
        f"example {folder / 'best.pt'}"
    )


FORMATS = (
    Format(
        name="a torch.distributed.checkpoint folder",
        matches=holds(re.escape(METADATA)),
        read=lambda folder, verify: read_distributed(folder, verify=verify),
        about="shards of rows, of columns, or of both",
    ),
    Format(
        name="a Hugging Face folder",
        matches=either(*(holds(fnmatch.translate(form)) for form in _FORMS)),
        read=read_hugging_face,
        about="model.safetensors or pytorch_model.bin, also in several shards",
    ),
)
"""Folders."""
