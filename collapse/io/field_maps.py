"""Field maps: how a model makes the sub-embeddings E_i^{->j} = E_i A_ij out of its tables (Section 4.1).

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
    """The layer, from 0."""
    set: int
    """The set, from 0."""

    @abstractmethod
    def sub_embeddings(self, i: int, E: NDArray[Any]) -> list[NDArray[Any] | None]:
        """Map the table of field i, or anything that has its columns.

        Parameters
        ----------
        i : int
            The source field, from 0.
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
            If they do.
        """

    def map(self, i: int, j: int) -> NDArray[Any] | None:
        """Return A_ij, shape (C_i, K_ij); None where the model has no E_i^{->j}."""
        return self.sub_embeddings(i, np.eye(self.columns(i)))[j]

    @abstractmethod
    def columns(self, i: int) -> int:
        """Return C_i."""


@dataclass(frozen=True, kw_only=True)
class ProjectionMaps(FieldMaps):
    """A_ij = n_ij W_{i->j}^T, for the blocks W_{i->j} of one matrix that acts as y = W x (DCNv2)."""

    W: NDArray[Any]
    """All projections, shape (sum_j K_j, sum_i K_i): block [j, i] is W_{i->j}."""
    sizes: tuple[int, ...]
    """The columns K_i of every field's table in this set."""
    factors: NDArray[Any] | None = None
    """n[j, i], which multiplies W_{i->j}, shape (N, N); None for ones."""

    def __post_init__(self) -> None:
        total = sum(self.sizes)
        if self.W.shape != (total, total):
            raise ValueError(f"projections of shape {self.W.shape} do not fit fields of {total} columns in all")
        if self.factors is not None and self.factors.shape != (len(self.sizes),) * 2:
            raise ValueError(f"factors of shape {self.factors.shape} do not fit {len(self.sizes)} fields")

    @cached_property
    def _ends(self) -> NDArray[np.intp]:
        return np.cumsum(self.sizes)

    def sub_embeddings(self, i: int, E: NDArray[Any]) -> list[NDArray[Any] | None]:
        """Return E_i W_{i->j}^T for every j, from one product."""
        of_i = self.W[:, self._ends[i] - self.sizes[i] : self._ends[i]].T
        if self.factors is not None:
            of_i = of_i * np.repeat(self.factors[:, i], self.sizes)
        return list(np.split(E @ of_i.astype(E.dtype, copy=False), self._ends[:-1], axis=1))

    def check(self) -> None:
        """Refuse W or n that is not finite."""
        for values in (self.W, self.factors):
            if values is not None and not np.isfinite(values).all():
                raise ValueError("hold NaN or infinity")

    def columns(self, i: int) -> int:
        """Return K_i."""
        return self.sizes[i]


@dataclass(frozen=True, kw_only=True)
class ColumnMaps(FieldMaps):
    """A_ij is a choice of columns: E_i^{->j} is a part of the table (FFM, Appendix H)."""

    blocks: tuple[tuple[tuple[int, int] | None, ...], ...]
    """For every i and j the first column of E_i^{->j} in E_i and the one after its last; None for none."""

    def sub_embeddings(self, i: int, E: NDArray[Any]) -> list[NDArray[Any] | None]:
        """Return views of E."""
        return [None if block is None else E[:, block[0] : block[1]] for block in self.blocks[i]]

    def check(self) -> None:
        """Do nothing: there is nothing to be infinite."""

    def columns(self, i: int) -> int:
        """Return the end of the last block of E_i."""
        return max(block[1] for block in self.blocks[i] if block is not None)
