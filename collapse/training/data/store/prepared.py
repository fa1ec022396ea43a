"""A prepared data set on disk: one folder, whole or not there, that training reads as it is.

========================  ==================================================================================
``schema.json``           `Schema`: the fields in order, their cardinalities, the label, the format's version
``vocabulary.parquet``    field, id (int32), value (text; null for the out-of-vocabulary row), count (int64)
``ids.npy``               int32, shape (rows, N), C order: the id of every field in every row
``labels.npy``            uint8, shape (rows,): 0 or 1
``manifest.json``         sources with size and SHA-256, options, rows, data hash, library versions
========================  ==================================================================================

Nothing in them depends on the clock, the machine's paths or a hash seed: preparing twice gives the same bytes.
What is hidden beside them (`kept`) does, and can be deleted.
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
FILES = (SCHEMA, VOCABULARY, IDS, LABELS, MANIFEST)
CHUNK_ROWS = 1 << 14
"""Rows that are checked or counted together: with 40 fields 2.6 MB of ids, which a cache holds."""
PREPARE_AGAIN = "prepare the data set again"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A raw file that a data set was prepared from."""

    name: str
    """The file's name, without its folder."""
    size: int
    """Its size in bytes."""
    sha256: str
    """The SHA-256 of its content, in hexadecimal."""
    byte_order_mark: bool = False
    """Whether its text begins with one, which is left out."""

    def as_record(self) -> dict[str, Any]:
        """Return it as plain values; the mark only where there is one."""
        return {key: value for key, value in asdict(self).items() if value is not False}


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedData:
    """A prepared data set, opened: N fields, ids memory-mapped."""

    path: Path
    """Its folder."""
    schema: Schema
    """The fields and their cardinalities."""
    ids: NDArray[np.int32]
    """The id of every field in every row, shape (rows, N), read-only and memory-mapped."""
    labels: NDArray[np.uint8]
    """0 or 1 for every row, shape (rows,)."""
    manifest: Mapping[str, Any]
    """What ``manifest.json`` holds."""

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.labels)

    @property
    def data_hash(self) -> str:
        """The SHA-256 of vocabulary, ids and labels as they were written, in hexadecimal."""
        return str(self.manifest["data_hash"])

    def vocabulary(self) -> pl.DataFrame:
        """Read what each id stands for.

        Returns
        -------
        pl.DataFrame
            Columns field, id (int32), value (text; null for the out-of-vocabulary row, id 0) and count
            (int64: rows of the whole data set that hold the id), sum D_i rows in the order of fields and ids.

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
            raise CollapseError(f"{path} is not a whole Parquet file: {PREPARE_AGAIN}") from error
        expected = pl.DataFrame(
            [
                field_column(self.schema.fields, self.schema.cardinalities),
                pl.Series("id", np.concatenate([np.arange(D) for D in self.schema.cardinalities]), pl.Int32),
            ]
        )
        if not vocabulary.select(pl.col("field", "id")).equals(expected):
            raise CollapseError(f"{path} does not hold the rows that {SCHEMA} tells of: {PREPARE_AGAIN}")
        return vocabulary


class _Skipped(msgspec.Struct, frozen=True):
    rows: Annotated[int, msgspec.Meta(ge=0)] = 0


class _Manifest(msgspec.Struct):
    """What others read of a manifest, with its types."""

    rows: Annotated[int, msgspec.Meta(ge=0, lt=1 << 40)]
    data_hash: str
    options: dict[str, Any] = {}
    skipped: _Skipped = _Skipped()


def open_prepared(path: Path) -> PreparedData:
    """Open a prepared data set and check it whole: ids and labels in a pass, unless they were checked before.

    Parameters
    ----------
    path : Path
        The folder that ``collapse prepare`` wrote.

    Returns
    -------
    PreparedData
        The data set; its ids stay on disk.

    Raises
    ------
    CollapseError
        If a file is missing, damaged or of another format version, shapes or types do not fit the schema,
        an id lies outside its field's vocabulary, or a label is neither 0 nor 1.
    """
    for name in FILES:
        if not (path / name).is_file():
            raise CollapseError(
                f"{path} is not a prepared data set, {name} is missing: see `collapse prepare --help`"
            )
    schema = Schema.from_json(read_json(path / SCHEMA), source=path / SCHEMA)
    manifest = read_json(path / MANIFEST)
    for key in ("rows", "data_hash"):
        if not isinstance(manifest, dict) or key not in manifest:
            raise CollapseError(f"{path / MANIFEST} lacks the key {key!r}: {PREPARE_AGAIN}")
    try:
        rows = msgspec.convert(manifest, _Manifest).rows
    except msgspec.ValidationError as error:
        raise CollapseError(f"{path / MANIFEST} is damaged ({error}): {PREPARE_AGAIN}") from error
    ids = _load(path / IDS, np.int32, (rows, len(schema.fields)))
    labels = _load(path / LABELS, np.uint8, (rows,))
    data = PreparedData(path=path, schema=schema, ids=ids, labels=labels, manifest=manifest)
    if not is_checked(path, FILES, data.data_hash):
        # New here, or a file has another size or time than when it was last checked: an edit shows in the hash.
        verify_prepared(data)
        mark_checked(path, FILES, data.data_hash)
    return data


def verify_prepared(data: PreparedData) -> None:
    """Read all of a prepared data set and compare it with the hash that was taken as it was written.

    Parameters
    ----------
    data : PreparedData
        The data set.

    Raises
    ------
    CollapseError
        If vocabulary, ids or labels are not what they were, or not what the schema says.
    """
    _check_ids(data.ids, data.schema, data.path / IDS)
    _check_labels(data.labels, data.path / LABELS)
    found = hash_of_data(data.vocabulary(), id_chunks(data.ids, "verifying"), data.labels)
    if found != data.data_hash:
        raise CollapseError(
            f"{data.path} is not what was written: its vocabulary, ids and labels have the hash "
            f"{found[:12]}, and {MANIFEST} says {data.data_hash[:12]}: {PREPARE_AGAIN}"
        )


def hash_of_data(vocabulary: pl.DataFrame, ids: Iterable[NDArray[np.int32]], labels: NDArray[np.uint8]) -> str:
    """Hash everything that a data set tells a model.

    Parameters
    ----------
    vocabulary : pl.DataFrame
        As `PreparedData.vocabulary` returns it.
    ids : iterable of (n, N) arrays
        The ids, chunk by chunk, C-contiguous.
    labels : (rows,) array
        The labels.

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
    return digest.hexdigest()


def id_chunks(ids: NDArray[np.int32], doing: str) -> Iterator[NDArray[np.int32]]:
    """Yield some rows of ids at a time, as views, beside a bar that says what is being done."""
    with tqdm(total=len(ids), desc=doing, unit="rows", unit_scale=True, disable=None) as bar:
        for start in range(0, len(ids), CHUNK_ROWS):
            chunk = ids[start : start + CHUNK_ROWS]
            yield chunk
            bar.update(len(chunk))


def field_column(fields: Sequence[str], cardinalities: Sequence[int] | NDArray[np.int64]) -> pl.Series:
    """Return a vocabulary's column ``field``: every name as often as its field has ids."""
    # By number: NumPy's own text forgets NULs at its end.
    return pl.Series("field", fields).gather(np.repeat(np.arange(len(fields)), cardinalities))


def _load(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        with explain_os_errors("read", path):
            array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError) as error:
        raise CollapseError(f"{path} is not a whole .npy file ({error}): {PREPARE_AGAIN}") from error
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise CollapseError(
            f"{path} holds {array.dtype} of shape {array.shape} where {np.dtype(dtype)} of shape {shape} in C "
            f"order is expected: {PREPARE_AGAIN}"
        )
    return array


def _check_ids(ids: NDArray[np.int32], schema: Schema, path: Path) -> None:
    cardinalities = np.array(schema.cardinalities, dtype=np.uint32)
    for start in range(0, len(ids), CHUNK_ROWS):
        chunk = ids[start : start + CHUNK_ROWS]
        # Read as unsigned, a negative id is larger than any cardinality: one comparison finds both.
        outside = chunk.view(np.uint32) >= cardinalities
        if outside.any():
            row, field = np.argwhere(outside)[0]
            raise CollapseError(
                f"field {schema.fields[field]!r} of {path} holds id {chunk[row, field]} at row {start + row}, "
                f"but its vocabulary has {cardinalities[field]} rows: {PREPARE_AGAIN}"
            )


def _check_labels(labels: NDArray[np.uint8], path: Path) -> None:
    wrong = np.flatnonzero(labels > 1)
    if wrong.size:
        raise CollapseError(
            f"{path} holds label {labels[wrong[0]]} at row {wrong[0]}, which is neither 0 nor 1: {PREPARE_AGAIN}"
        )
