"""Field maps A_ij, with which a model makes the sub-embeddings E_i^{->j} = E_i A_ij (Section 4.1).

Shapes: N fields, C_i columns of field i's table in one set, K_ij columns of E_i^{->j}.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class FieldMaps(ABC):
    """The maps A_ij of all pairs of fields, in one layer of one set's interaction."""

    layer: int
    """Index of the layer."""
    set: int
    """Index of the set."""

    @abstractmethod
    def sub_embeddings(self, i: int, E: NDArray[Any]) -> list[NDArray[Any] | None]:
        """Map the table of field i, or any matrix with its columns.

        Parameters
        ----------
        i : int
            Index of the source field.
        E : (D, C_i) array
            Its table in this set.

        Returns
        -------
        list of (D, K_ij) arrays
            E_i A_ij for every target field j; None where the model has no such sub-embedding.
        """

    @abstractmethod
    def check(self) -> None:
        """Refuse maps that hold NaN or infinity.

        Raises
        ------
        ValueError
            If a map holds NaN or infinity.
        """

    def map(self, i: int, j: int) -> NDArray[Any] | None:
        """Return A_ij, shape (C_i, K_ij); None if the model has no E_i^{->j}."""
        return self.sub_embeddings(i, np.eye(self.columns(i)))[j]

    @abstractmethod
    def columns(self, i: int) -> int:
        """Return C_i."""


@dataclass(frozen=True, kw_only=True)
class ProjectionMaps(FieldMaps):
    """A_ij = n_ij W_{i->j}^T, where W_{i->j} are the blocks of one matrix that acts as y = W x (DCNv2)."""

    W: NDArray[Any]
    """All projections, shape (sum_j K_j, sum_i K_i); block [j, i] is W_{i->j}."""
    sizes: tuple[int, ...]
    """Number of columns K_i of every field's table in this set."""
    targets: tuple[int, ...] = ()
    """Number of columns K_j of E_i^{->j}; empty if it is that of the table of field j."""
    factors: NDArray[Any] | None = None
    """The numbers n[j, i] that multiply W_{i->j}, shape (N, N); None means 1."""

    def __post_init__(self) -> None:
        shape = (sum(self._of_targets), sum(self.sizes))
        if self.W.shape != shape:
            raise ValueError(
                f"projections of shape {self.W.shape} do not fit fields with {shape[1]} columns in total"
            )
        if self.factors is not None and self.factors.shape != (len(self.sizes),) * 2:
            raise ValueError(f"factors of shape {self.factors.shape} do not fit {len(self.sizes)} fields")

    @cached_property
    def _ends(self) -> NDArray[np.intp]:
        return np.cumsum(self.sizes)

    @property
    def _of_targets(self) -> tuple[int, ...]:
        return self.targets or self.sizes

    def sub_embeddings(self, i: int, E: NDArray[Any]) -> list[NDArray[Any] | None]:
        """Return E_i W_{i->j}^T for every j, computed by one product."""
        of_i = self.W[:, self._ends[i] - self.sizes[i] : self._ends[i]].T
        if self.factors is not None:
            of_i = of_i * np.repeat(self.factors[:, i], self._of_targets)
        ends = np.cumsum(self._of_targets)
        return list(np.split(E @ of_i.astype(E.dtype, copy=False), ends[:-1], axis=1))

    def check(self) -> None:
        """Refuse W or n with NaN or infinity."""
        for values in (self.W, self.factors):
            if values is not None and not np.isfinite(values).all():
                raise ValueError("hold NaN or infinity")

    def columns(self, i: int) -> int:
        """Return K_i."""
        return self.sizes[i]


@dataclass(frozen=True, kw_only=True)
class ColumnMaps(FieldMaps):
    """A_ij is a selection of columns: E_i^{->j} is a part of the table (FFM, Appendix H)."""

    blocks: tuple[tuple[tuple[int, int] | None, ...], ...]
    """For every i and j, the first column of E_i^{->j} in E_i and one past its last; None if there is no
    E_i^{->j}."""

    def sub_embeddings(self, i: int, E: NDArray[Any]) -> list[NDArray[Any] | None]:
        """Return views of E."""
        return [None if block is None else E[:, block[0] : block[1]] for block in self.blocks[i]]

    def check(self) -> None:
        """Do nothing, because there are no numbers."""

    def columns(self, i: int) -> int:
        """Return the end of the last block of E_i."""
        return max(block[1] for block in self.blocks[i] if block is not None)
