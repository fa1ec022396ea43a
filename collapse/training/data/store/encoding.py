"""The streaming encoder, which turns blocks of text columns into the files of a prepared data set.

Memory holds the distinct values and their counts, never the rows. The 45.8 million rows of Criteo with about 33
million distinct values take a few gigabytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from collapse.errors import CollapseError
from collapse.training.data.store.prepared import (
    CHUNK_ROWS,
    IDS,
    LABELS,
    PARTS,
    Source,
    hash_of_data,
    id_chunks,
)
from collapse.training.data.store.schema import Schema
from collapse.training.data.store.split import parts_in_order, split_rows
from collapse.training.data.store.vocabulary import check_several, vocabulary_of
from collapse.training.data.store.writing import GrowingArray, write_description

_KEYS = "keys.npy"
"""What rows are split by, while the data are read."""


class Encoder:
    """Turns text into ids, block by block, and decides at the end which values get their own row.

    Parameters
    ----------
    folder : Path
        An existing, empty folder to write to.
    fields : mapping of str to str
        Names and descriptions of the N fields, in order.
    min_count : int
        Values that occur in fewer rows get id 0, the field's out-of-vocabulary row; at least 1.
    vocabulary_split : int, optional
        Seed of a split. Only its training rows are then used to count and order values, so that nothing from
        validation and test rows enters the vocabulary.
    in_order : bool
        Whether rows are split by keys that are added with them, such as times, and not at random.

    Raises
    ------
    CollapseError
        If `min_count` is below 1.

    Notes
    -----
    The first pass writes provisional codes in the order in which values first occur. `finish` maps them in place
    to ids ordered by (count descending, value ascending). Ids therefore depend on the set of rows and not on their
    order, except through a split, which is defined by row numbers.
    """

    def __init__(
        self,
        folder: Path,
        fields: Mapping[str, str],
        *,
        min_count: int,
        vocabulary_split: int | None = None,
        in_order: bool = False,
    ) -> None:
        if min_count < 1:
            raise CollapseError(f"min_count must be at least 1, got {min_count}")
        self._min_count = min_count
        self._vocabulary_split = vocabulary_split
        self._folder = folder
        self._fields = fields
        self._categories = {field: pl.Categories.random() for field in fields}
        # Polars forgets categories that no series uses.
        self._kept = [pl.Series([], dtype=pl.Categorical(c)) for c in self._categories.values()]
        self._counts = {field: np.zeros(0, dtype=np.int64) for field in fields}
        self._ids = GrowingArray(folder / IDS, np.int32, (len(fields),))
        self._labels = GrowingArray(folder / LABELS, np.uint8, ())
        self._keys = GrowingArray(folder / _KEYS, np.float64, ()) if in_order else None
        self._parts: NDArray[np.uint8] | None = None

    @property
    def rows(self) -> int:
        """Number of rows added so far."""
        return self._ids.rows

    def add(self, block: pl.DataFrame, labels: ArrayLike, keys: ArrayLike | None = None) -> None:
        """Encode a block of rows.

        Parameters
        ----------
        block : pl.DataFrame
            One text column per field. Null and the empty text are the same value, "missing".
        labels : array_like, shape (rows of the block,)
            0 or 1.
        keys : array_like, shape (rows of the block,), optional
            What the rows are split by.
        """
        if self._keys is not None:
            assert keys is not None
            self._keys.append(keys)
        # Columns are addressed by position, because Polars takes names such as * for patterns.
        places = {name: place for place, name in enumerate(block.columns)}
        codes = block.select(
            pl.nth(places[field]).fill_null("").cast(pl.Categorical(categories)).to_physical()
            for field, categories in self._categories.items()
        )
        for field in self._fields:
            self._counts[field] = _counted(self._counts[field], codes[field].to_numpy())
        self._ids.append(codes.to_numpy(order="c"))
        self._labels.append(labels)

    def finish(
        self,
        *,
        name: str,
        label: str,
        sources: Sequence[Source],
        options: Mapping[str, Any] | None = None,
        skipped: Mapping[str, Any] | None = None,
        refuse_single: bool = False,
    ) -> None:
        """Fix the vocabulary and complete the data set.

        Parameters
        ----------
        name : str
            Name of the data set.
        label : str
            Meaning of label 1.
        sources : sequence of Source
            The raw files.
        options : mapping, optional
            Options of the source, for the manifest, in addition to those of the encoder.
        skipped : mapping, optional
            Malformed rows that were skipped, for the manifest.
        refuse_single : bool
            Refuse a field with the same id in all rows, which no model can use.

        Raises
        ------
        CollapseError
            If the split leaves no training rows, or a field is refused.
        """
        self._write_split()
        counts = self._counts if self._vocabulary_split is None else self._training_counts(self._vocabulary_split)
        vocabulary, tables, cardinalities = vocabulary_of(
            self._categories, self._counts, counts, rows=self.rows, min_count=self._min_count
        )
        if refuse_single:
            check_several(vocabulary, cardinalities, self._min_count)
        write_description(
            self._folder,
            schema=Schema(
                fields=tuple(self._fields),
                cardinalities=tuple(cardinalities),
                name=name,
                label=label,
                descriptions=tuple(self._fields.values()),
            ),
            vocabulary=vocabulary,
            rows=self.rows,
            data_hash=self._finish_arrays(vocabulary, tables),
            sources=sources,
            options={"min_count": self._min_count, **self._vocabulary_options(), **(options or {})},
            skipped=skipped,
        )

    def _write_split(self) -> None:
        """Write which part every row is in, if rows are split by their keys."""
        if self._keys is None:
            return
        self._parts = parts_in_order(self._keys.finished())
        (self._folder / _KEYS).unlink()
        np.save(self._folder / PARTS, self._parts)

    def _vocabulary_options(self) -> dict[str, Any]:
        if self._vocabulary_split is None:
            return {"vocabulary": "all"}
        if self._parts is not None:
            return {"vocabulary": "training"}
        return {"vocabulary": "training", "split_seed": self._vocabulary_split}

    def _training_counts(self, seed: int) -> dict[str, NDArray[np.int64]]:
        """Recount every code in the training rows."""
        training = np.zeros(self.rows, dtype=bool)
        if self._parts is None:
            training[split_rows(self.rows, seed).train] = True
        else:
            training = self._parts == 0
        if not training.any():
            raise CollapseError(f"{self.rows} rows leave no training row to take the vocabulary from")
        counts = {field: np.zeros_like(of_all) for field, of_all in self._counts.items()}
        ids = self._ids.finished()
        for start in range(0, self.rows, CHUNK_ROWS):
            codes = ids[start : start + CHUNK_ROWS][training[start : start + CHUNK_ROWS]]
            for n, field in enumerate(self._fields):
                np.add.at(counts[field], codes[:, n], 1)
        return counts

    def _finish_arrays(self, vocabulary: pl.DataFrame, tables: Sequence[NDArray[np.int32]]) -> str:
        """Map codes to ids in place, and return the hash of the data set's content."""
        offsets = np.cumsum([0, *(len(table) for table in tables[:-1])])
        table = np.concatenate(tables)
        ids = self._ids.finished()

        def mapped() -> Iterator[NDArray[np.int32]]:
            for chunk in id_chunks(ids, "encoding"):
                np.take(table, chunk + offsets, out=chunk, mode="clip")
                yield chunk

        data_hash = hash_of_data(vocabulary, mapped(), self._labels.finished(), self._parts)
        ids.flush()
        return data_hash


def _counted(counts: NDArray[np.int64], codes: NDArray[np.uint32]) -> NDArray[np.int64]:
    missing = int(codes.max(initial=0)) + 1 - len(counts)
    if missing > 0:
        # Reserve room, so that fields with millions of values are not copied at every block.
        counts = np.concatenate([counts, np.zeros(max(missing, len(counts)), dtype=np.int64)])
    np.add.at(counts, codes, 1)
    return counts
