"""Rows that are ids already: a prepared data set without an encoder."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from collapse.training.data.growing import GrowingArray
from collapse.training.data.prepared import IDS, LABELS, hash_of_data, id_chunks, write_description
from collapse.training.data.schema import Schema


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
    """Write a data set whose values are numbers from 0, each with a row of its own, seen or not.

    Parameters
    ----------
    folder : Path
        The folder to write to; it exists and is empty.
    blocks : iterable of (ids, labels)
        Shapes (B, N) and (B,): every field's value, from 0 to below its number of values, and 0 or 1.
    fields : mapping of str to str
        The fields in order: name to description.
    values : sequence of int
        How many values a field has; its cardinality is one more, for the out-of-vocabulary row that nothing uses.
    name, label : str
        The data set's name, and what a label of 1 means.
    options : mapping
        What it was made with, for the manifest.
    known : mapping
        What else the manifest is to tell.
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
