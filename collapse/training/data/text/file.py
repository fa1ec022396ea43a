"""Interface of a file of rows in any format: known columns, and blocks of text."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from collapse.errors import CollapseError, shortened
from collapse.training.data.store.prepared import Source
from collapse.training.data.text.raw_file import RawFile, opened


@dataclass(frozen=True, kw_only=True, eq=False)
class TextBlock:
    """R rows of a file as text."""

    path: Path
    """The file."""
    cells: pl.DataFrame
    """One text column for each column of the file, or each requested column; null for empty cells."""
    places: NDArray[np.int64]
    """Line or row number of each row, from 1, shape (R,)."""
    faults: Mapping[int, str]
    """Faults of rows that could not be read and are not among the R rows, by line or row number."""
    unit: Literal["line", "row"]
    """Whether the numbers are lines or rows."""
    header: bytes | None = None
    """The header, if the block begins with it."""


class TextFile(ABC):
    """A file with known columns whose rows are read block by block.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str, optional
        Encoding of its text, if it is not UTF-8.
    """

    def __init__(self, path: Path, *, encoding: str | None = None) -> None:
        self.path, self.encoding = path, encoding
        self.columns: tuple[str, ...] = ()
        """Names of the columns, in order."""
        self.source: Source | None = None
        """The file's size and hash, once all blocks are read."""

    @contextmanager
    def opened(self, columns: Sequence[str]) -> Iterator[Iterator[TextBlock]]:
        """Open the file for the duration of the block.

        If it changes meanwhile, this is reported before other errors.

        Raises
        ------
        CollapseError
            If the file cannot be read, is empty or damaged, or changes meanwhile.
        """
        with opened(self.path, encoding=self.encoding) as raw:
            yield self._blocks(raw, columns)

    @abstractmethod
    def _blocks(self, raw: RawFile, columns: Sequence[str]) -> Iterator[TextBlock]: ...


def check_distinct(columns: Sequence[str], path: Path) -> None:
    """Check that all columns of a file have different names.

    Parameters
    ----------
    columns : sequence of str
        Names of the columns.
    path : Path
        The file, for the error message.

    Raises
    ------
    CollapseError
        If two columns have the same name.
    """
    twice = next((name for name, count in Counter(columns).items() if count > 1), None)
    if twice is not None:
        raise CollapseError(f"{path} has two columns named {shortened(twice)}")


def check_same_columns(files: Sequence[TextFile]) -> None:
    """Check that several files have the same columns, in any order.

    Raises
    ------
    CollapseError
        If the columns of one differ from those of the first.
    """
    first, *others = files
    for file in others:
        lacks = [name for name in first.columns if name not in file.columns]
        more = [name for name in file.columns if name not in first.columns]
        if lacks or more:
            what = f"has no column {shortened(lacks[0])}" if lacks else f"has a column {shortened(more[0])}"
            raise CollapseError(
                f"{file.path} {what}, unlike {first.path}: the files of one table must have the same columns"
            )
