"""Tables of rows with vectors: Parquet, Arrow and Feather, CSV, and JSON lines.

A vector is a cell with a list of numbers, or stands in one column per dimension, whose names are a common word and
consecutive numbers (``emb_0``, ``emb_1``, ..). Each such column or group of columns is a table. The vectors are
unpacked into a temporary file, a batch of rows at a time.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.extras import require
from collapse.io.decoded import Unpacked
from collapse.io.formats.sample import Format, Sample, either, holds, starts
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.state import State
from collapse.io.readers.text_stream import blocks_of_lines, open_text
from collapse.printable import path_text

_NUMBERED = re.compile(r"(.*?)[ _.\[-]?(\d+)\]?")
_IDS = ("id", "key", "token", "index", "name", "row")
_BATCH = 1 << 15
"""Rows that are read at once."""
_EXPANSION = 500
"""Most bytes of vectors for each byte of a file. A file of equal numbers could need far more."""
_BUFFER = 1 << 20
_DELIMITERS = (",", "\t", ";", "|")
_MARKS = str.maketrans("[](){},;|", "         ")
"""Marks around and between the numbers of a vector that is written as a text."""
_VECTOR_IN_JSON = re.compile(rb'"\s*:\s*\[[-+\d\s,]*\d[.eE]')

_Batches = Iterator[Any]


@dataclass
class _Column:
    """A column of vectors, or the columns of its dimensions."""

    name: str
    """Name of the table."""
    columns: list[str]
    """Names in the file."""
    is_text: bool = False
    """Whether vectors are written as texts."""
    found: Unpacked | None = None
    """The vectors so far."""
    missing: int = field(default=0)
    """Rows without a vector."""


def read_columns(path: Path, _verify: bool = True, *, kind: str, id_column: str | None = None) -> State:
    """Read the columns of vectors.

    Parameters
    ----------
    path : Path
        The file, or a folder of Parquet files.
    kind : str
        ``parquet``, ``arrow``, ``csv`` or ``json``.
    id_column : str, optional
        Name of the column that identifies the rows, so that it is not taken for a dimension. By default it is any
        column that does not hold fractions.

    Returns
    -------
    State
        A table for each column, or group of columns. Rows without a vector are left out, and counted in the notes.

    Raises
    ------
    CollapseError
        If pyarrow is not installed, the file is damaged, a vector has another length than the first, or there is
        no column of vectors.
    """
    require("pyarrow", f"{path}, a table of columns,")
    with explain_damage(path, f"a complete {_NAMES[kind]}"), ExitStack() as unpacked:
        found: list[_Column] = []
        rows = 0
        for batch in _READERS[kind](path):
            if id_column is not None and id_column not in batch.schema.names:
                raise CollapseError(
                    f"{path} has no column {id_column!r}; its columns are {', '.join(batch.schema.names[:10])}"
                )
            found = found or _columns(batch, path, id_column)
            for column in found:
                _add(column, batch, rows, path, unpacked)
            rows += batch.num_rows
        tensors = {column.name: column.found.array() for column in found if column.found is not None}
    if not tensors:
        raise CollapseError(
            f"{path} has no column of vectors: lists of numbers, or one column of fractions per dimension, with "
            "names such as emb_0, emb_1"
        )
    notes = [
        f"rows without a vector in {column.name}, which were left out: {column.missing:,}"
        for column in found
        if column.missing
    ]
    return State(tensors=tensors, tables=frozenset(tensors), format=_NAMES[kind], notes=tuple(notes))


def _columns(batch: Any, path: Path, id_column: str | None) -> list[_Column]:
    """Return the columns of vectors of a batch with rows."""
    import pyarrow.types as types

    lists, texts, numbered = [], [], dict[str, list[tuple[int, str]]]()
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if name == id_column:
            continue
        kind = values.type
        if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
            # Lists of whole numbers are ids, such as a history of items.
            if types.is_floating(kind.value_type):
                lists.append(_Column(name, [name]))
        elif types.is_floating(kind) and (match := _NUMBERED.fullmatch(name)):
            numbered.setdefault(match[1], []).append((int(match[2]), name))
        elif (types.is_string(kind) or types.is_large_string(kind)) and _is_vector(values):
            texts.append(_Column(name, [name], is_text=True))
    if not (lists or texts) and id_column is not None:
        _add_whole_dimensions(batch, numbered, id_column)
    groups = [
        _Column(prefix or path_text(Path(path.stem)), [name for _, name in sorted(of_group)])
        for prefix, of_group in numbered.items()
        if len(of_group) > 1 and sorted(number for number, _ in of_group) == _consecutive(of_group)
    ]
    return lists + texts or groups


def _add_whole_dimensions(batch: Any, numbered: dict[str, list[tuple[int, str]]], id_column: str) -> None:
    """Add dimensions whose numbers happen to be whole in this batch, which only a named id tells from an id."""
    import pyarrow.types as types

    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        match = _NUMBERED.fullmatch(name)
        if name != id_column and types.is_integer(values.type) and match:
            numbered.setdefault(match[1], []).append((int(match[2]), name))


def _consecutive(of_group: list[tuple[int, str]]) -> list[int]:
    first = min(number for number, _ in of_group)
    return list(range(first, first + len(of_group)))


def _is_vector(values: Any) -> bool:
    first = next((str(value) for value in values[:10] if value.is_valid), "")
    return len(_numbers(first)) > 1


def _numbers(text: str) -> NDArray[np.float64]:
    """Return the numbers of a text; none if it is not a vector."""
    try:
        return np.array([float(word) for word in text.translate(_MARKS).split()])
    except ValueError:
        return np.empty(0)


def _add(column: _Column, batch: Any, rows: int, path: Path, unpacked: ExitStack) -> None:
    """Append the vectors of a batch."""
    if len(column.columns) > 1 or (not column.is_text and not _is_list(batch, column)):
        block = np.stack(
            [_floats(batch.column(batch.schema.names.index(name))) for name in column.columns], axis=1
        )
    else:
        values = batch.column(batch.schema.names.index(column.columns[0]))
        present = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
        column.missing += len(values) - len(present)
        if not len(present):
            return
        kept = values if len(present) == len(values) else values.take(_indices(present))
        block = (_of_texts if column.is_text else _of_lists)(kept, present + rows, path)
    if column.found is None:
        most = _EXPANSION * _size(path)
        column.found = unpacked.enter_context(Unpacked(path, block.dtype, block.shape[1], most=most))
    if block.shape[1] != column.found.columns:
        raise _ragged(path, rows, block.shape[1], column.found.columns)
    column.found.add(block)


def _is_list(batch: Any, column: _Column) -> bool:
    import pyarrow.types as types

    return bool(types.is_nested(batch.schema.field(column.columns[0]).type))


def _indices(present: NDArray[np.intp]) -> Any:
    import pyarrow

    return pyarrow.array(present)


def _of_lists(values: Any, rows: NDArray[np.intp], path: Path) -> NDArray[Any]:
    """Return lists of one length as a matrix."""
    import pyarrow.compute as compute

    lengths = compute.list_value_length(values).to_numpy(zero_copy_only=False)
    if (other := np.flatnonzero(lengths != lengths[0])).size:
        raise _ragged(path, rows[other[0]], lengths[other[0]], lengths[0])
    return _floats(values.flatten()).reshape(len(values), int(lengths[0]))


def _of_texts(values: Any, rows: NDArray[np.intp], path: Path) -> NDArray[np.float64]:
    vectors = [_numbers(str(value)) for value in values]
    for row, vector in zip(rows, vectors, strict=True):
        if len(vector) != len(vectors[0]):
            raise _ragged(path, row, len(vector), len(vectors[0]))
    return np.stack(vectors)


def _ragged(path: Path, row: int, found: int, expected: int) -> CollapseError:
    return CollapseError(f"{path}: the vector in row {row + 1:,} has {found} numbers, those before it {expected}")


def _floats(values: Any) -> NDArray[Any]:
    array: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _size(path: Path) -> int:
    files = path.glob("*.parquet") if path.is_dir() else [path]
    return max(sum(file.stat().st_size for file in files), 1 << 12)


def _parquet(path: Path) -> _Batches:
    import pyarrow.parquet as parquet

    for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        # Buffering whole column chunks would need the memory of a row group.
        with parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER) as content:
            schema = content.schema_arrow
            yield from content.iter_batches(
                _BATCH, columns=[name for name in schema.names if _may_hold(schema, name)]
            )


def _may_hold(schema: Any, name: str) -> bool:
    """Return whether a column is read: all but those of structures and dates."""
    import pyarrow.types as types

    kind = schema.field(name).type
    return not (types.is_struct(kind) or types.is_map(kind) or types.is_temporal(kind))


def _arrow(path: Path) -> _Batches:
    import pyarrow
    from pyarrow import feather

    with pyarrow.memory_map(str(path)) as file:
        if file.read(4) == b"FEA1":
            yield from feather.read_table(path).to_batches(_BATCH)
            return
        file.seek(0)
        reader = pyarrow.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            for start in range(0, batch.num_rows, _BATCH):
                yield batch.slice(start, _BATCH)


def _csv(path: Path) -> _Batches:
    from pyarrow import csv

    with open_text(path) as file:
        first = file.read(1 << 16).partition(b"\n")[0].decode(errors="replace")
    delimiter = max(_DELIMITERS, key=first.count)
    cells = first.strip().split(delimiter)
    # Without a header, the dimensions have no common name.
    names = [str(number) for number in range(len(cells))] if all(map(_is_number, cells)) else None
    with open_text(path) as file:
        yield from csv.open_csv(
            file,
            read_options=csv.ReadOptions(column_names=names, use_threads=False),
            parse_options=csv.ParseOptions(delimiter=delimiter),
        )


def _is_number(cell: str) -> bool:
    return len(_numbers(cell.strip().strip('"'))) == 1


def _json(path: Path) -> _Batches:
    from pyarrow import json

    with open_text(path) as file:
        for lines in blocks_of_lines(file):
            text = b"\n".join(lines)
            options = json.ReadOptions(use_threads=False, block_size=len(text) + 1)
            yield from json.read_json(BytesIO(text), read_options=options).to_batches()


_READERS: dict[str, Callable[[Path], _Batches]] = {
    "parquet": _parquet,
    "arrow": _arrow,
    "csv": _csv,
    "json": _json,
}
_NAMES = {"parquet": "Parquet file", "arrow": "Arrow file", "csv": "CSV file", "json": "file of JSON lines"}


def _is_delimited(sample: Sample) -> bool:
    first = sample.lines[:2]
    return any(
        len(first) == 2 and first[0].count(mark) > 0 < first[1].count(mark)
        for mark in (mark.encode() for mark in _DELIMITERS)
    )


def _has_vectors(sample: Sample) -> bool:
    return sample.head.lstrip()[:1] == b"{" and _VECTOR_IN_JSON.search(sample.head) is not None


def _format(
    kind: str, name: str, matches: Callable[[Sample], bool], about: str, *, compressed: bool = False
) -> Format:
    return Format(
        name=name,
        matches=matches,
        read=partial(read_columns, kind=kind),
        compressed=compressed,
        has_columns=True,
        about=about,
        needs="pyarrow",
    )


_ABOUT = "columns of lists of numbers, or one column per dimension"
FORMATS = (
    _format("parquet", "a Parquet file or folder", either(starts(b"PAR1"), holds(r".*\.parquet")), _ABOUT),
    _format("arrow", "an Arrow or Feather file", starts(b"ARROW1", b"FEA1"), _ABOUT),
    _format(
        "json", "JSON lines", _has_vectors, "objects with a list of numbers, also compressed", compressed=True
    ),
    _format("csv", "a text table (CSV or TSV)", _is_delimited, f"{_ABOUT}, also compressed", compressed=True),
)
"""Files of rows and columns."""
