"""Recognise the format of a file or folder, and refuse those that are not read."""

from pathlib import Path

from collapse.errors import CollapseError, first_line
from collapse.io.formats.refused import REFUSED
from collapse.io.formats.sample import HEAD, Format, Sample, ends, sample, starts, zipped
from collapse.io.readers import (
    arrays,
    columns,
    exported,
    faiss,
    fasttext,
    folder,
    hugectr,
    keras,
    onnx,
    pickles,
    tensorflow,
    torchsnapshot,
    word_vectors,
)
from collapse.io.readers.text_stream import COMPRESSED, decompressed_start
from collapse.io.torch_file.legacy import LEGACY
from collapse.plugins import registered
from collapse.printable import path_text

TORCH = Format(
    name="a torch file (.pt, .pth, .bin, .ckpt, .model)",
    matches=lambda sample: starts(LEGACY)(sample) or zipped(r"(^|/)data\.pkl$")(sample),
    about="a checkpoint of collapse train, a state dict, a dictionary that contains one, a pickled model, or "
    "TorchScript",
)
"""Torch files, which `collapse.io.load` reads, because this project's checkpoints are among them."""

READ: tuple[Format, ...] = (
    TORCH,
    *(
        each
        for module in (
            exported,
            arrays,
            keras,
            tensorflow,
            torchsnapshot,
            folder,
            hugectr,
            fasttext,
            faiss,
            onnx,
            pickles,
            word_vectors,
            columns,
        )
        for each in module.FORMATS
    ),
)
"""Formats that are read."""
GROUP = "collapse.readers"
"""Entry points of other packages: each is a `Format`."""


def registered_formats() -> tuple[Format, ...]:
    """Return the formats that other packages register. They never replace those of this package.

    Raises
    ------
    CollapseError
        If one is not a `Format` with a reader, or cannot be imported.
    """
    found = registered(GROUP, "reader")
    for name, each in found.items():
        if not isinstance(each, Format) or each.read is None:
            raise CollapseError(f"the reader {name!r} is not a collapse.Format with a function that reads")
    return tuple(found.values())


def recognise(path: Path) -> Format | None:
    """Return the format of a file or folder by its content.

    Parameters
    ----------
    path : Path
        The file or folder.

    Returns
    -------
    Format or None
        None if no format matches.

    Raises
    ------
    CollapseError
        If the format is recognised but not read. The message names it and one way to get at its tables. Or if the
        file is missing, is empty, or cannot be read.
    """
    is_prefix = not path.exists() and path.with_name(f"{path.name}.index").exists()
    found = sample(path.with_name(f"{path.name}.index") if is_prefix else path)
    if found.head.startswith(tuple(COMPRESSED)):
        inner = Sample(path.with_suffix(""), decompressed_start(path, HEAD))
        format_ = next((each for each in READ if each.compressed and each.matches(inner)), None)
    else:
        format_ = next((each for each in READ if each.matches(found)), None)
    format_ = format_ or _registered_for(found)
    format_ = format_ or next((each for each in REFUSED if each.matches(found)), None)
    if format_ is None:
        # Its reader says what is wrong with the file.
        return next((each for each in READ if ends(*each.suffixes)(found)), None)
    if format_.way:
        way = format_.way.replace("FILE", f'"{path_text(path)}"')
        raise CollapseError(f"{path} is {format_.name}, which is not supported: {way}")
    return format_


def _registered_for(found: Sample) -> Format | None:
    for each in registered_formats():
        try:
            if each.matches(found):
                return each
        except Exception as error:
            raise CollapseError(
                f"the reader of {each.name} fails on {found.path}: {type(error).__name__}: {first_line(error)}"
            ) from error
    return None
