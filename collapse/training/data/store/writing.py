"""Writing prepared data sets: the new folder, arrays that grow, and the description."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from collapse.errors import CollapseError
from collapse.files.atomic import atomic_directory
from collapse.files.json_file import write_json
from collapse.training.data.store.prepared import (
    IDS,
    LABELS,
    VOCABULARY,
    Source,
    hash_of_data,
    id_chunks,
)
from collapse.training.data.store.schema import FORMAT_VERSION, MANIFEST, SCHEMA, Schema
from collapse.training.data.store.skipped import SkippedRows


@contextmanager
def new_prepared(path: Path, *, overwrite: bool = False, sources: Iterable[Path] = ()) -> Iterator[Path]:
    """Make the folder of a prepared data set, as `collapse.files.atomic.atomic_directory` does.

    Parameters
    ----------
    path : Path
        The folder to make.
    overwrite : bool
        Replace an existing prepared data set. Other folders are never replaced.
    sources : iterable of Path
        The raw files, none of which may be in a folder that is replaced.

    Yields
    ------
    Path
        The temporary folder, to be filled.

    Raises
    ------
    CollapseError
        If `path` exists and may not be replaced, or the operating system refuses.
    """
    if overwrite and path.exists() and not (path / SCHEMA).is_file():
        raise CollapseError(f"{path} is not a prepared data set, so it is not replaced: choose another folder")
    for source in sources if overwrite else ():
        if path.resolve() in source.resolve().parents:
            raise CollapseError(
                f"{source} is in {path}, which would be replaced: move it, or choose another folder"
            )
    with atomic_directory(path, overwrite=overwrite) as folder:
        yield folder


class GrowingArray:
    """A .npy file that grows by rows. Its header is corrected at the end."""

    def __init__(self, path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
        self.rows = 0
        self._path = path
        self._dtype = np.dtype(dtype)
        self._shape = shape
        with path.open("wb") as file:
            self._write_header(file)

    def append(self, values: ArrayLike) -> None:
        """Append rows."""
        array = np.ascontiguousarray(values, dtype=self._dtype)
        with self._path.open("ab") as file:
            file.write(array.data)
        self.rows += len(array)

    def finished(self) -> "np.memmap[Any, np.dtype[Any]]":
        """Correct the header and return the array, mapped and writable."""
        with self._path.open("r+b") as file:
            self._write_header(file)
        return np.lib.format.open_memmap(self._path, mode="r+")

    def _write_header(self, file: Any) -> None:
        # NumPy pads headers so that the length of the first axis can grow in place.
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.rows, *self._shape)}
        np.lib.format.write_array_header_1_0(file, header)


def write_description(
    folder: Path,
    *,
    schema: Schema,
    vocabulary: pl.DataFrame,
    rows: int,
    data_hash: str,
    sources: Sequence[Source],
    options: Mapping[str, Any],
    skipped: Mapping[str, Any] | None = None,
    known: Mapping[str, Any] | None = None,
) -> None:
    """Write vocabulary, schema and manifest of a data set.

    Parameters
    ----------
    folder : Path
        Folder of the data set.
    schema, vocabulary, rows, data_hash
        As in `PreparedData`.
    sources : sequence of Source
        The raw files.
    options : mapping
        Options of the preparation.
    skipped : mapping, optional
        Malformed rows that were skipped. The default is none.
    known : mapping, optional
        Other entries for the manifest.
    """
    # Written through memory, because Polars' own writer hides the system's error for a full disk.
    buffer = io.BytesIO()
    vocabulary.write_parquet(buffer)
    (folder / VOCABULARY).write_bytes(buffer.getbuffer())
    write_json(folder / SCHEMA, schema.to_json())
    manifest = {
        "format_version": FORMAT_VERSION,
        "sources": [source.as_record() for source in sources],
        "options": dict(options),
        "skipped": SkippedRows(0).summary() if skipped is None else dict(skipped),
        "rows": rows,
        "data_hash": data_hash,
        "libraries": {"numpy": np.__version__, "polars": pl.__version__},
        **(known or {}),
    }
    write_json(folder / MANIFEST, manifest)


def write_ids(
    folder: Path,
    blocks: Iterable[tuple[NDArray[np.int32], NDArray[np.uint8]]],
    *,
    fields: Mapping[str, str],
    values: Sequence[int],
    name: str,
    label: str,
    options: Mapping[str, Any],
    known: Mapping[str, Any],
) -> None:
    """Write a data set whose values are numbers from 0, each with its own table row.

    Parameters
    ----------
    folder : Path
        An existing, empty folder to write to.
    blocks : iterable of (ids, labels)
        Shapes (B, N) and (B,): the value of every field, from 0 to below its number of values, and 0 or 1.
    fields : mapping of str to str
        Names and descriptions of the fields, in order.
    values : sequence of int
        Number of values of each field. Its cardinality is one more, for the unused out-of-vocabulary row.
    name, label : str
        Name of the data set, and the meaning of label 1.
    options : mapping
        Options of the generation, for the manifest.
    known : mapping
        Other entries for the manifest.
    """
    ids, labels = GrowingArray(folder / IDS, np.int32, (len(fields),)), GrowingArray(folder / LABELS, np.uint8, ())
    counts = [np.zeros(D + 1, dtype=np.int64) for D in values]
    for block, of_block in blocks:
        ids.append(block + 1)
        labels.append(of_block)
        for n, D in enumerate(values):
            counts[n] += np.bincount(block[:, n] + 1, minlength=D + 1)
    vocabulary = pl.concat(
        pl.DataFrame(
            {
                "field": pl.Series([field] * (D + 1), dtype=pl.String),
                "id": pl.Series(np.arange(D + 1), dtype=pl.Int32),
                "value": pl.Series([None, *map(str, range(D))], dtype=pl.String),
                "count": of_field,
            }
        )
        for field, D, of_field in zip(fields, values, counts, strict=True)
    )
    write_description(
        folder,
        schema=Schema(
            fields=tuple(fields),
            cardinalities=tuple(D + 1 for D in values),
            name=name,
            label=label,
            descriptions=tuple(fields.values()),
        ),
        vocabulary=vocabulary,
        rows=ids.rows,
        data_hash=hash_of_data(vocabulary, id_chunks(ids.finished(), "hashing"), labels.finished()),
        sources=[],
        options=options,
        known=known,
    )
