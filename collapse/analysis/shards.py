"""Tables larger than one host: spectral states and row measures as sums over shards that workers read.

The workers are those of Dask, or processes of this machine. A worker receives the position of a shard, not its
numbers: the checkpoint is a path that all machines can read. It maps the file, reads a few megabytes of rows at a
time, and releases their pages, because Dask counts mapped pages as the worker's memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.analysis.processes import Processes
from collapse.dask_client import results
from collapse.io.blocks import is_mapped, release
from collapse.io.load import load
from collapse.io.readers.selection import Selection
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.measures.one_pass import AfterFirst, first_pass
from collapse.measures.row_stream import RowStream
from collapse.measures.rows import RowMeasures, RowPart, combined
from collapse.measures.spectra import Spectrum, decompose_passes, is_short
from collapse.measures.spectral_state import SpectralState, gram_state, merge

SHARD_BYTES = 2**25
"""Bytes of a shard, the work of one task: small enough for many workers to share a table, and large enough that
opening the checkpoint, which takes milliseconds, does not matter."""
_PIECE_BYTES = 2**22
"""Bytes of a mapped shard that a worker keeps in memory."""
_WORKER_BYTES = 2**28
"""Bytes that a worker needs without any table, for Python, Dask, NumPy, SciPy and pandas (140 to 200 MB
measured)."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Position of a table."""

    path: Path
    """Path of the checkpoint on every worker."""
    selection: Selection
    """How the checkpoint is read."""
    number: int
    """Index of the table."""
    stamp: tuple[int, int]
    """Time and size of the newest file, by which a worker knows a checkpoint that was replaced."""


@dataclass(frozen=True, kw_only=True)
class DaskDecomposer:
    """Decomposes the tables of a checkpoint on a cluster of Dask, or in processes of this machine."""

    client: Any
    """The `distributed.Client`, or `Processes`."""
    path: Path
    """The checkpoint."""
    selection: Selection
    """How the checkpoint is read."""
    shard_bytes: int = SHARD_BYTES
    """Bytes of a shard."""

    def takes(self, table: EmbeddingTable) -> bool:
        """Return whether a table is longer than a shard and mapped from a file."""
        rows, columns = table.E.shape
        return not is_short(rows, columns) and rows > self._rows(table) and is_mapped(table.E)

    def measure(
        self, number: int, table: EmbeddingTable, weights: NDArray[Any] | None, tolerance: float
    ) -> tuple[Spectrum, RowMeasures]:
        """Return the same as `decompose` and `row_measures`.

        Raises
        ------
        CollapseError
            If a worker cannot read the checkpoint, a shard kills workers, or there are no workers.
        ValueError
            If a row holds NaN or infinity.
        """
        # Row counts are sent shard by shard.
        selection = replace(self.selection, row_counts=None)
        place = Place(path=self.path.absolute(), selection=selection, number=number, stamp=_stamp(self.path))
        passes = _ShardPasses(self.client, place, table, weights, self._rows(table))
        found = passes.of_shards(_both_of_shard, counts=table.row_counts)
        with np.errstate(invalid="ignore"):
            first = np.sum([gram for gram, _ in found], axis=0)
        spectrum = decompose_passes(AfterFirst(passes, first))
        return spectrum, combined([part for _, part in found], weights=weights, tolerance=tolerance)

    def _rows(self, table: EmbeddingTable) -> int:
        return max(1, int(self.shard_bytes) // (int(table.E.shape[1]) * int(table.E.dtype.itemsize)))


class _ShardPasses:
    """Passes over a table of shards."""

    def __init__(
        self, client: Any, place: Place, table: EmbeddingTable, weights: NDArray[Any] | None, rows: int
    ) -> None:
        self._client, self._place, self._weights, self._rows = client, place, weights, rows
        self._field = table.field
        # Checks the weights and the type without reading rows.
        stream = RowStream(table.E, weights)
        self.shape, self.rank_bound, self.scale = stream.shape, stream.rank_bound, 1.0

    def gram(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add the Gram matrices of the shards in a fixed order."""
        if not basis.shape[1]:
            return np.zeros((0, 0))
        shared = self._client.scatter(basis, broadcast=True)
        return merge(self.of_shards(_state_of_shard, shared)).gram

    def largest(self) -> float:
        """Return the largest absolute entry."""
        return float(max(self.of_shards(_largest_of_shard)))

    def of_shards(
        self, function: Callable[..., Any], *args: Any, counts: NDArray[np.int64] | None = None
    ) -> list[Any]:
        """Call a function on every shard on the cluster, and return the results in order."""
        futures = [
            self._client.submit(
                function,
                self._place,
                start,
                part,
                self.scale,
                *args,
                **({} if counts is None else {"counts": counts[start : part[0]]}),
                pure=False,
            )
            for start, part in self._shards()
        ]
        K = self.shape[1]
        # A piece in its own type and in float64, the Gram matrix and its decomposition, norms and weights of rows.
        needed = _WORKER_BYTES + 4 * _PIECE_BYTES + 64 * K * K + 16 * self._rows
        what = f"field {self._field!r}"
        if isinstance(self._client, Processes):
            return self._client.collect(futures, what=what, unit="shards", needed=needed)
        return results(self._client, futures, what=what, unit="shards", needed=needed)

    def _shards(self) -> Iterator[tuple[int, tuple[int, NDArray[Any] | None]]]:
        for start in range(0, self.shape[0], self._rows):
            stop = min(start + self._rows, self.shape[0])
            yield start, (stop, None if self._weights is None else self._weights[start:stop])


class _Rows:
    """Rows of a mapped table, of which a few megabytes stay in memory."""

    def __init__(self, E: Any, start: int, stop: int) -> None:
        self._E, self._start, self._held = E, start, 0
        self.shape, self.dtype = (stop - start, int(E.shape[1])), E.dtype

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        first, last, _ = rows.indices(self.shape[0])
        # A copy, because the pages behind a view would be read twice.
        found = np.array(self._E[self._start + first : self._start + last])
        self._held += found.nbytes
        if self._held >= _PIECE_BYTES:
            release(self._E)
            self._held = 0
        return found


def _rows(place: Place, start: int, stop: int) -> _Rows:
    """Open some rows on a worker."""
    E = _opened(place.path, place.selection, place.stamp).tables[place.number].E
    return _Rows(E, start, stop)


def _stamp(path: Path) -> tuple[int, int]:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    found = [file.stat() for file in files]
    return max(each.st_mtime_ns for each in found), sum(each.st_size for each in found)


@lru_cache(maxsize=1)
def _opened(path: Path, selection: Selection, _stamp: tuple[int, int]) -> TableSet:
    """Open a checkpoint once in each worker: text, for example, has to be unpacked first."""
    return load(path, verify=False, selection=selection)


def _shard(place: Place, start: int, part: tuple[int, NDArray[Any] | None], scale: float) -> RowStream:
    """Open a shard, with zeros for rows without weight."""
    stop, weights = part
    E: Any = _rows(place, start, stop)
    if weights is not None and not weights.any():
        E, weights = np.broadcast_to(0.0, E.shape), None
    stream = RowStream(E, weights, first_row=start)
    stream.scale = scale
    return stream


def _state_of_shard(
    place: Place, start: int, part: tuple[int, Any], scale: float, basis: NDArray[np.float64]
) -> SpectralState:
    stop, weights = part
    return gram_state(_rows(place, start, stop), weights=weights, first_row=start, basis=basis, scale=scale)


def _largest_of_shard(place: Place, start: int, part: tuple[int, Any], scale: float) -> float:
    return _shard(place, start, part, scale).largest()


def _both_of_shard(
    place: Place, start: int, part: tuple[int, Any], _scale: float, *, counts: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], RowPart]:
    stop, weights = part
    return first_pass(_rows(place, start, stop), weights=weights, counts=counts, first_row=start)
