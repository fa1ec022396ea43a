"""A file of rows, whatever its format: its columns are known, and its rows come in blocks of text."""

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
    """Some rows of a file, R of them, as text."""

    path: Path
    """The file."""
    cells: pl.DataFrame
    """A text column each of the file's columns, or of those that were asked for; null where a cell is empty."""
    places: NDArray[np.int64]
    """The line or row of each, from 1, shape (R,)."""
    faults: Mapping[int, str]
    """What is wrong with rows that could not be read, and are not among the R, by their place."""
    unit: Literal["line", "row"]
    """What the places count."""
    header: bytes | None = None
    """The row that names the columns, if the block begins with it."""


class TextFile(ABC):
    """One file: its columns are known, its rows are read block by block.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: tuple[str, ...] = ()
        """The columns' names in order."""
        self.source: Source | None = None
        """What was read, once the blocks have come to their end."""

    @contextmanager
    def opened(self, columns: Sequence[str]) -> Iterator[Iterator[TextBlock]]:
        """Open the file to be read in the block; what is wrong with one that changes meanwhile is that it changed.

        Parameters
        ----------
        columns : sequence of str
            The columns that are needed.

        Yields
        ------
        iterator of TextBlock
            Its rows.

        Raises
        ------
        CollapseError
            If the file cannot be read, is empty or damaged, or changes meanwhile.
        """
        with opened(self.path) as raw:
            yield self._blocks(raw, columns)

    @abstractmethod
    def _blocks(self, raw: RawFile, columns: Sequence[str]) -> Iterator[TextBlock]: ...


def check_distinct(columns: Sequence[str], path: Path) -> None:
    """Check that no two columns of a file have one name.

    Parameters
    ----------
    columns : sequence of str
        Their names.
    path : Path
        The file, for the error message.

    Raises
    ------
    CollapseError
        If two have.
    """
    twice = next((name for name, count in Counter(columns).items() if count > 1), None)
    if twice is not None:
        raise CollapseError(f"{path} has two columns called {shortened(twice)}")


def check_same_columns(files: Sequence[TextFile]) -> None:
    """Check that several files have the same columns, in any order.

    Parameters
    ----------
    files : sequence of TextFile
        The files.

    Raises
    ------
    CollapseError
        If one has not those of the first.
    """
    first, *others = files
    for file in others:
        lacks = [name for name in first.columns if name not in file.columns]
        more = [name for name in file.columns if name not in first.columns]
        if lacks or more:
            what = f"lacks the column {shortened(lacks[0])}" if lacks else f"has a column {shortened(more[0])}"
            raise CollapseError(
                f"{file.path} {what}, unlike {first.path}: files that are one table have the same columns"
            )
