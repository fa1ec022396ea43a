"""HugeCTR's sparse models: a folder with the keys of all rows, and their vectors one after another.

Source: https://nvidia-merlin.github.io/HugeCTR, the sparse model files of the embedding training cache
"""

from pathlib import Path

import numpy as np

from collapse.files.opening import map_file
from collapse.io.formats.sample import Format, holds
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State
from collapse.printable import path_text

_KEYS, _VECTORS = "key", "emb_vector"


def read_hugectr(folder: Path, _verify: bool = True) -> State:
    """Map the vectors, of type float32.

    The files do not say how many columns there are. The number of keys tells, which are of type int64, or of type
    uint32 if there would be a fraction of a column otherwise.

    Raises
    ------
    CollapseError
        If the sizes of the files do not fit.
    """
    with explain_damage(folder, "a complete sparse model of HugeCTR"):
        keys = (folder / _KEYS).stat().st_size
        vectors = np.frombuffer(map_file(folder / _VECTORS), np.uint8)
        fits = [
            width
            for width in (8, 4)
            if keys >= width and keys % width == 0 and len(vectors) % (keys // width * 4) == 0
        ]
        if not fits:
            raise ValueError(f"{len(vectors):,} bytes of vectors do not belong to {keys:,} bytes of keys")
        E = vectors.view("<f4").reshape(keys // fits[0], -1)
    name = path_text(Path(folder.stem))
    note = f"keys of type {'int64' if fits[0] == 8 else 'uint32'}, which makes {E.shape[1]} columns"
    return State(tensors={name: E}, tables=frozenset({name}), format="HugeCTR", notes=(note,))


FORMATS = (
    Format(
        name="a HugeCTR sparse model",
        matches=holds(_KEYS, _VECTORS),
        read=read_hugectr,
        about="the folder with the files key and emb_vector",
    ),
)
"""Folders of HugeCTR."""
