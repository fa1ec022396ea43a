"""Tables in parts on the ranks of torch.distributed: DTensor (also FSDP2), and ShardedTensor (TorchRec).

Every rank reduces its rows to a `SpectralState`, and one sum over the ranks gives the state of the table: K x K
doubles on the wire, whatever the number of rows. If the columns are divided, the rows are put together a few
thousand at a time, which sends the whole table once.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.measures.spectral_state import SpectralState, gram_state, merge

_ASSEMBLED = 1 << 22
"""Entries of the rows that are put together at once."""


class ShardError(Exception):
    """A rank could not read its part, so that no rank has a result."""


@dataclass(frozen=True)
class _Piece:
    """A part of a table on this rank."""

    row: int
    column: int
    values: Any


def is_sharded(table: Any) -> bool:
    """Return whether a table is in parts on the ranks of torch.distributed."""
    return _is_dtensor(table) or (hasattr(table, "local_shards") and hasattr(table, "metadata"))


def _is_dtensor(table: Any) -> bool:
    return hasattr(table, "device_mesh") and hasattr(table, "to_local")


class ShardedTable:
    """A table in parts. Its methods are collective: every rank of its group calls them.

    Parameters
    ----------
    table : DTensor or ShardedTensor
        The table, of shape (D, K). Rows or columns may be divided, evenly or not, and ranks may have no part.
    """

    def __init__(self, table: Any) -> None:
        self.shape = (int(table.shape[0]), int(table.shape[1]))
        self._table = table
        self.takes_part = not _is_dtensor(table) or table.device_mesh.get_coordinate() is not None
        """Whether this rank belongs to the group that holds the table."""

    def state(self, basis: NDArray[np.float64] | None = None, scale: float = 1.0) -> SpectralState:
        """Return the state of all rows, on every rank.

        Raises
        ------
        ShardError
            If a rank could not read its part. Every rank raises it.
        """
        K = self.shape[1]
        groups, local, failed = [], None, 0.0
        try:
            groups = _groups(self._table)
            pieces = _pieces(self._table)
            divided = _has_divided_columns(self._table)
        except Exception as error:
            raise ShardError(str(error)) from error
        if divided:
            return self._assembled(pieces, groups, basis, scale)
        reason = ""
        try:
            parts = [
                gram_state(piece.values, first_row=piece.row, causes=False, basis=basis, scale=scale)
                for piece in pieces
                if piece.values.shape[0]
            ]
            empty = np.empty((0, K))
            local = merge([*parts, gram_state(empty, causes=False, basis=basis, scale=scale)])
        except Exception as error:  # noqa: BLE001  the other ranks wait for this one's part, whatever is wrong with it
            failed, reason = 1.0, str(error)
        T = K if basis is None else basis.shape[1]
        sent = np.zeros(T * T + 2)
        if local is not None:
            sent[:-2], sent[-2] = local.gram.ravel(), local.rows
        sent[-1] = failed
        added = _reduced(sent, groups, "SUM")
        if added[-1]:
            raise ShardError(reason or "another rank could not read its part")
        G = added[:-2].reshape(T, T)
        largest, bad = self._extremes(G, local, groups) if basis is None else (None, None)
        return SpectralState(gram=G, rows=int(added[-2]), columns=K, scale=scale, largest=largest, bad_row=bad)

    def _extremes(
        self, G: NDArray[np.float64], local: SpectralState | None, groups: Sequence[Any]
    ) -> tuple[float | None, int | None]:
        """Return the largest entry and the first bad row of all ranks, if squares over- or underflow."""
        squares = np.diagonal(G)
        with np.errstate(invalid="ignore"):
            if 1e-250 < squares.max(initial=0) < 1e250:
                return None, None
        here = local.largest if local is not None and local.largest is not None else 0.0
        bad = -np.inf if local is None or local.bad_row is None else -float(local.bad_row)
        largest, first = _reduced(np.array([here, bad]), groups, "MAX")
        return float(largest), None if first == -np.inf else int(-first)

    def _assembled(
        self, pieces: Sequence[_Piece], groups: Sequence[Any], basis: NDArray[np.float64] | None, scale: float
    ) -> SpectralState:
        """Put the rows together, a few at a time: every rank fills in its columns, and the sum is all of them."""
        D, K = self.shape
        rows = max(1, _ASSEMBLED // K)
        states = []
        for start in range(0, D, rows):
            stop = min(start + rows, D)
            block = np.zeros((stop - start, K))
            for piece in pieces:
                first, last = max(start, piece.row), min(stop, piece.row + piece.values.shape[0])
                if first < last:
                    part = piece.values[first - piece.row : last - piece.row].detach().double().cpu().numpy()
                    block[first - start : last - start, piece.column : piece.column + part.shape[1]] = part
            whole = _reduced(block.ravel(), groups, "SUM").reshape(block.shape)
            states.append(gram_state(whole, first_row=start, causes=False, basis=basis, scale=scale))
        return merge(states)


def _groups(table: Any) -> list[Any]:
    """Return the process groups whose sums add all parts: one for each divided dimension of the mesh."""
    if not _is_dtensor(table):
        return [table._process_group]  # noqa: SLF001  there is no public name for it
    mesh = table.device_mesh
    return [mesh.get_group(number) for number, placement in enumerate(table.placements) if placement.is_shard()]


def _has_divided_columns(table: Any) -> bool:
    if _is_dtensor(table):
        return any(placement.is_shard(1) or placement.is_shard(-1) for placement in table.placements)
    K = int(table.shape[1])
    return any(int(shard.shard_sizes[1]) < K for shard in table.metadata().shards_metadata)


def _pieces(table: Any) -> list[_Piece]:
    """Return the parts on this rank."""
    if not _is_dtensor(table):
        return [
            _Piece(int(row), int(column), shard.tensor.detach())
            for shard in table.local_shards()
            for row, column in [shard.metadata.shard_offsets]
        ]
    if any(placement.is_partial() for placement in table.placements):
        raise ValueError("it is a partial sum, which has no rows yet")
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    _, offset = compute_local_shape_and_global_offset(table.shape, table.device_mesh, table.placements)
    return [_Piece(int(offset[0]), int(offset[1]), table.to_local().detach())]


def _reduced(values: NDArray[np.float64], groups: Sequence[Any], operation: str) -> NDArray[np.float64]:
    """Add up an array, or take the largest, over the ranks of all groups."""
    import torch
    import torch.distributed as dist

    found = torch.from_numpy(values.copy())
    for group in groups:
        on_gpu = dist.get_backend(group) == "nccl"
        sent = found.cuda() if on_gpu else found
        dist.all_reduce(sent, op=getattr(dist.ReduceOp, operation), group=group)
        found = sent.cpu()
    return found.numpy()


def is_first_rank() -> bool:
    """Return whether this process is the only one, or the first of torch.distributed."""
    torch = sys.modules.get("torch")
    distributed = getattr(torch, "distributed", None)
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return True
    return bool(distributed.get_rank() == 0)
