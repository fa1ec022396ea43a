"""The streaming encoder: blocks of text columns in, a prepared data set's files out.

Memory holds the distinct values and their counts, never the rows: 45.8 million Criteo rows with some 33 million
distinct values are encoded in a few gigabytes.
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
    Source,
    hash_of_data,
    id_chunks,
)
from collapse.training.data.store.schema import Schema
from collapse.training.data.store.split import split_rows
from collapse.training.data.store.vocabulary import check_several, vocabulary_of
from collapse.training.data.store.writing import GrowingArray, write_description


class Encoder:
    """Turns text into ids, block by block, and decides at the end which values have a row of their own.

    Parameters
    ----------
    folder : Path
        The folder to write to; it exists and is empty.
    fields : mapping of str to str
        The fields in order: name to description, N of them.
    min_count : int
        Values of a field seen in fewer rows share its out-of-vocabulary row, id 0; at least 1.
    vocabulary_split : int, optional
        The seed of a split: then rows are counted, and values ordered, in its training rows alone, so that nothing
        of validation and test rows enters the vocabulary.

    Raises
    ------
    CollapseError
        If `min_count` is below 1.

    Notes
    -----
    The first pass writes provisional codes in the order in which values are first seen; `finish` maps them in
    place to ids ordered by (count descending, value ascending), so that ids depend on the rows alone and not on
    their order; but for a split, which is one of row numbers.
    """

    def __init__(
        self, folder: Path, fields: Mapping[str, str], *, min_count: int, vocabulary_split: int | None = None
    ) -> None:
        if min_count < 1:
            raise CollapseError(f"the minimum count is {min_count}: it must be at least 1")
        self._min_count = min_count
        self._vocabulary_split = vocabulary_split
        self._folder = folder
        self._fields = fields
        self._categories = {field: pl.Categories.random() for field in fields}
        # Polars forgets a mapping that no series uses.
        self._kept = [pl.Series([], dtype=pl.Categorical(c)) for c in self._categories.values()]
        self._counts = {field: np.zeros(0, dtype=np.int64) for field in fields}
        self._ids = GrowingArray(folder / IDS, np.int32, (len(fields),))
        self._labels = GrowingArray(folder / LABELS, np.uint8, ())

    @property
    def rows(self) -> int:
        """The rows added so far."""
        return self._ids.rows

    def add(self, block: pl.DataFrame, labels: ArrayLike) -> None:
        """Encode a block of rows.

        Parameters
        ----------
        block : pl.DataFrame
            One text column a field; null and the empty text are one value, "missing".
        labels : array_like, shape (rows of the block,)
            0 or 1.
        """
        # By place: Polars takes a name such as * for a pattern.
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
        """Fix the vocabulary and write what is missing of the data set.

        Parameters
        ----------
        name : str
            The data set's name.
        label : str
            What a label of 1 means.
        sources : sequence of Source
            The raw files.
        options : mapping, optional
            What the source was asked to do, for the manifest, beside what the encoder was.
        skipped : mapping, optional
            Malformed rows that were left out, for the manifest.
        refuse_single : bool
            Whether a field with one id in all rows is refused: it tells a model nothing.

        Raises
        ------
        CollapseError
            If a split is asked for that leaves no training rows, or for a field that is refused.
        """
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

    def _vocabulary_options(self) -> dict[str, Any]:
        if self._vocabulary_split is None:
            return {"vocabulary": "all"}
        return {"vocabulary": "training", "split_seed": self._vocabulary_split}

    def _training_counts(self, seed: int) -> dict[str, NDArray[np.int64]]:
        """Count every code anew, in the training rows."""
        training = np.zeros(self.rows, dtype=bool)
        training[split_rows(self.rows, seed).train] = True
        if not training.any():
            raise CollapseError(f"{self.rows} rows leave none to train on, whose values would be the vocabulary")
        counts = {field: np.zeros_like(of_all) for field, of_all in self._counts.items()}
        ids = self._ids.finished()
        for start in range(0, self.rows, CHUNK_ROWS):
            codes = ids[start : start + CHUNK_ROWS][training[start : start + CHUNK_ROWS]]
            for n, field in enumerate(self._fields):
                np.add.at(counts[field], codes[:, n], 1)
        return counts

    def _finish_arrays(self, vocabulary: pl.DataFrame, tables: Sequence[NDArray[np.int32]]) -> str:
        """Map codes to ids in place; return the hash of everything that the data set tells a model."""
        offsets = np.cumsum([0, *(len(table) for table in tables[:-1])])
        table = np.concatenate(tables)
        ids = self._ids.finished()

        def mapped() -> Iterator[NDArray[np.int32]]:
            for chunk in id_chunks(ids, "encoding"):
                np.take(table, chunk + offsets, out=chunk, mode="clip")
                yield chunk

        data_hash = hash_of_data(vocabulary, mapped(), self._labels.finished())
        ids.flush()
        return data_hash


def _counted(counts: NDArray[np.int64], codes: NDArray[np.uint32]) -> NDArray[np.int64]:
    missing = int(codes.max(initial=0)) + 1 - len(counts)
    if missing > 0:
        # Room to grow, so that a field of millions of values is not copied at every block.
        counts = np.concatenate([counts, np.zeros(max(missing, len(counts)), dtype=np.int64)])
    np.add.at(counts, codes, 1)
    return counts
