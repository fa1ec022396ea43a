"""A prepared data set on disk: a folder that training reads directly.

========================  ==================================================================================
``schema.json``           `Schema`: the fields in order, their cardinalities, the label, the format's version
``vocabulary.parquet``    field, id (int32), value (text; null for the out-of-vocabulary row), count (int64)
``ids.npy``               int32, shape (rows, N), C order: the id of every field in every row
``labels.npy``            uint8, shape (rows,): 0 or 1
``split.npy``             uint8, shape (rows,): 0, 1 or 2 for training, validation and test rows; only if the
                          split is not random
``manifest.json``         sources with size and SHA-256, options, rows, data hash, library versions
========================  ==================================================================================

The files do not depend on the time, on paths or on hash seeds: preparing the same data twice gives the same bytes.
Hidden files next to them (`sidecars`) do, and can be deleted.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray
from tqdm import tqdm

from collapse.errors import CollapseError
from collapse.files.json_file import read_json
from collapse.files.opening import explain_os_errors, open_file
from collapse.training.data.store.schema import MANIFEST, SCHEMA, Schema
from collapse.training.data.store.sidecars import is_checked, mark_checked

VOCABULARY = "vocabulary.parquet"
IDS = "ids.npy"
LABELS = "labels.npy"
PARTS = "split.npy"
FILES = (SCHEMA, VOCABULARY, IDS, LABELS, MANIFEST)
CHUNK_ROWS = 1 << 14
"""Rows that are checked or counted together. With 40 fields these are 2.6 MB of ids, which fit into a cache."""
PREPARE_AGAIN = "prepare the data set again"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A raw file that a data set was prepared from."""

    name: str
    """Name of the file, without its folder."""
    size: int
    """Size in bytes."""
    sha256: str
    """SHA-256 of the content, in hexadecimal."""
    byte_order_mark: bool = False
    """Whether its text begins with a byte-order mark, which is skipped."""

    def as_record(self) -> dict[str, Any]:
        """Return plain values, with the byte-order mark only if there is one."""
        return {key: value for key, value in asdict(self).items() if value is not False}


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedData:
    """A prepared data set with N fields. Its ids are memory-mapped."""

    path: Path
    """Folder of the data set."""
    schema: Schema
    """The fields and their cardinalities."""
    ids: NDArray[np.int32]
    """Ids of every field in every row, shape (rows, N), read-only and memory-mapped."""
    labels: NDArray[np.uint8]
    """Labels, 0 or 1, shape (rows,)."""
    manifest: Mapping[str, Any]
    """Content of ``manifest.json``."""
    parts: NDArray[np.uint8] | None = None
    """0, 1 or 2 for the training, validation and test rows, shape (rows,); None if the split is random."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.labels)

    @property
    def data_hash(self) -> str:
        """SHA-256 of vocabulary, ids, labels and split as they were written, in hexadecimal."""
        return str(self.manifest["data_hash"])

    def vocabulary(self) -> pl.DataFrame:
        """Read the meaning of each id.

        Returns
        -------
        pl.DataFrame
            Columns field, id (int32), value (text; null for the out-of-vocabulary row, id 0) and count (int64,
            number of rows with this id), with sum D_i rows in the order of fields and ids.

        Raises
        ------
        CollapseError
            If the file cannot be read or does not fit the schema.
        """
        path = self.path / VOCABULARY
        try:
            with open_file(path) as file:
                vocabulary = pl.read_parquet(file.read())
        except pl.exceptions.PolarsError as error:
            raise CollapseError(f"{path} is not a complete Parquet file: {PREPARE_AGAIN}") from error
        expected = pl.DataFrame(
            [
                field_column(self.schema.fields, self.schema.cardinalities),
                pl.Series("id", np.concatenate([np.arange(D) for D in self.schema.cardinalities]), pl.Int32),
            ]
        )
        if not vocabulary.select(pl.col("field", "id")).equals(expected):
            raise CollapseError(f"{path} does not have the rows that {SCHEMA} describes: {PREPARE_AGAIN}")
        return vocabulary


class _Skipped(msgspec.Struct, frozen=True):
    rows: Annotated[int, msgspec.Meta(ge=0)] = 0


class _Manifest(msgspec.Struct):
    """The parts of a manifest that are used elsewhere, with their types."""

    rows: Annotated[int, msgspec.Meta(ge=0, lt=1 << 40)]
    data_hash: str
    options: dict[str, Any] = {}
    skipped: _Skipped = _Skipped()


def open_prepared(path: Path) -> PreparedData:
    """Open a prepared data set. Ids and labels are checked in one pass, unless they were checked before.

    Parameters
    ----------
    path : Path
        A folder that ``collapse prepare`` wrote.

    Raises
    ------
    CollapseError
        If a file is missing, damaged or of another format version, shapes or types do not fit the schema, an id is
        outside its field's vocabulary, or a label is neither 0 nor 1.
    """
    for name in FILES:
        if not (path / name).is_file():
            raise CollapseError(
                f"{path} is not a prepared data set ({name} is missing): see `collapse prepare --help`"
            )
    schema = Schema.from_json(read_json(path / SCHEMA), source=path / SCHEMA)
    manifest = read_json(path / MANIFEST)
    for key in ("rows", "data_hash"):
        if not isinstance(manifest, dict) or key not in manifest:
            raise CollapseError(f"{path / MANIFEST} has no key {key!r}: {PREPARE_AGAIN}")
    try:
        rows = msgspec.convert(manifest, _Manifest).rows
    except msgspec.ValidationError as error:
        raise CollapseError(f"{path / MANIFEST} is damaged ({error}): {PREPARE_AGAIN}") from error
    ids = _load(path / IDS, np.int32, (rows, len(schema.fields)))
    labels = _load(path / LABELS, np.uint8, (rows,))
    files: tuple[str, ...] = FILES
    parts = None
    if "split" in manifest.get("options", {}):
        files, parts = (*FILES, PARTS), _load(path / PARTS, np.uint8, (rows,))
    data = PreparedData(path=path, schema=schema, ids=ids, labels=labels, manifest=manifest, parts=parts)
    if not is_checked(path, files, data.data_hash):
        # A file is new, or its size or time has changed since the last check. An edit shows in the hash.
        verify_prepared(data)
        mark_checked(path, files, data.data_hash)
    return data


def verify_prepared(data: PreparedData) -> None:
    """Read a whole prepared data set and compare it with its recorded hash.

    Raises
    ------
    CollapseError
        If vocabulary, ids or labels have changed, or do not fit the schema.
    """
    _check_ids(data.ids, data.schema, data.path / IDS)
    _check_labels(data.labels, data.path / LABELS)
    if data.parts is not None and (data.parts > 2).any():
        raise CollapseError(f"{data.path / PARTS} must hold 0, 1 or 2 for every row: {PREPARE_AGAIN}")
    found = hash_of_data(data.vocabulary(), id_chunks(data.ids, "verifying"), data.labels, data.parts)
    if found != data.data_hash:
        raise CollapseError(
            f"{data.path} has changed since it was written: vocabulary, ids and labels have the hash "
            f"{found[:12]}, but {MANIFEST} has {data.data_hash[:12]}: {PREPARE_AGAIN}"
        )


def hash_of_data(
    vocabulary: pl.DataFrame,
    ids: Iterable[NDArray[np.int32]],
    labels: NDArray[np.uint8],
    parts: NDArray[np.uint8] | None = None,
) -> str:
    """Hash the content of a data set.

    Parameters
    ----------
    vocabulary : pl.DataFrame
        Result of `PreparedData.vocabulary`.
    ids : iterable of (n, N) arrays
        C-contiguous chunks of the ids.
    labels : (rows,) array
        The labels.
    parts : (rows,) array, optional
        The split, if it is not random.

    Returns
    -------
    str
        The SHA-256 in hexadecimal.
    """
    digest = hashlib.sha256()
    for part in vocabulary.iter_slices(CHUNK_ROWS):
        digest.update(part.write_ndjson().encode())
    for chunk in ids:
        digest.update(chunk.data)
    digest.update(labels.data)
    if parts is not None:
        digest.update(parts.data)
    return digest.hexdigest()


def id_chunks(ids: NDArray[np.int32], doing: str) -> Iterator[NDArray[np.int32]]:
    """Yield chunks of ids as views, with a progress bar."""
    with tqdm(total=len(ids), desc=doing, unit="rows", unit_scale=True, disable=None) as bar:
        for start in range(0, len(ids), CHUNK_ROWS):
            chunk = ids[start : start + CHUNK_ROWS]
            yield chunk
            bar.update(len(chunk))


def field_column(fields: Sequence[str], cardinalities: Sequence[int] | NDArray[np.int64]) -> pl.Series:
    """Return the column ``field`` of a vocabulary: every name as often as its field has ids."""
    # By number, because NumPy text drops NULs at the end.
    return pl.Series("field", fields).gather(np.repeat(np.arange(len(fields)), cardinalities))


def _load(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        with explain_os_errors("read", path):
            array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError) as error:
        raise CollapseError(f"{path} is not a complete .npy file ({error}): {PREPARE_AGAIN}") from error
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise CollapseError(
            f"{path} must hold {np.dtype(dtype)} of shape {shape} in C order, but holds {array.dtype} of shape "
            f"{array.shape}: {PREPARE_AGAIN}"
        )
    return array


def _check_ids(ids: NDArray[np.int32], schema: Schema, path: Path) -> None:
    cardinalities = np.array(schema.cardinalities, dtype=np.uint32)
    for start in range(0, len(ids), CHUNK_ROWS):
        chunk = ids[start : start + CHUNK_ROWS]
        # Read as unsigned, a negative id exceeds every cardinality, so one comparison finds both errors.
        outside = chunk.view(np.uint32) >= cardinalities
        if outside.any():
            row, field = np.argwhere(outside)[0]
            raise CollapseError(
                f"row {start + row} of {path} has id {chunk[row, field]} for field {schema.fields[field]!r}, "
                f"but its vocabulary has {cardinalities[field]} rows: {PREPARE_AGAIN}"
            )


def _check_labels(labels: NDArray[np.uint8], path: Path) -> None:
    wrong = np.flatnonzero(labels > 1)
    if wrong.size:
        raise CollapseError(
            f"row {wrong[0]} of {path} has label {labels[wrong[0]]}, which is neither 0 nor 1: {PREPARE_AGAIN}"
        )
