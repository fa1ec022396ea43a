"""Embedding tables with a size for every field: E_i = U_i P_i, with U_i of D_i x k_i and P_i of k_i x K.

Shapes: B batch, N fields, M sets, K embedding size, k size of a field, G fields of one size.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from collapse.io.checkpoint.schema import TableKey
from collapse.training.models.embedding import FusedEmbedding


class SizedEmbedding(nn.Module):
    """Looks up k_i numbers per field, and projects them to the K columns that the interaction needs.

    Fields of one size share one fused table and one batched product. A field of size K has no projection.

    Parameters
    ----------
    cardinalities : sequence of int
        Rows D_i of every field.
    sizes : sequence of int
        Size k_i of every field, from 1 to K.
    embedding_size : int
        Embedding size K.
    sets : int
        Number of sets M. A field has the same size in all of them.

    Notes
    -----
    U is drawn like the tables of `FusedEmbedding`, and P with variance 1 / k, so that the entries of E have the
    variance that they have without sizes.

    References
    ----------
    Ginart et al., Mixed dimension embeddings with application to memory-efficient recommendation systems, ISIT
    2021.
    """

    order: Tensor

    def __init__(self, cardinalities: Sequence[int], sizes: Sequence[int], embedding_size: int, sets: int) -> None:
        super().__init__()
        self.sets, self.K = sets, embedding_size
        by_size = {k: [i for i, size in enumerate(sizes) if size == k] for k in sorted(set(sizes))}
        self.tables = nn.ModuleList()
        self.projections = nn.ParameterList()
        reach = math.sqrt(6 / (sum(cardinalities) + embedding_size))
        for number, (k, fields) in enumerate(by_size.items()):
            table = FusedEmbedding([cardinalities[i] for i in fields], [k], sets)
            nn.init.uniform_(table.weight, -reach, reach)
            self.tables.append(table)
            # Without a projection the parameter is empty, so that numbers of groups are numbers of parameters.
            shape = (sets, len(fields) if k < embedding_size else 0, k, embedding_size)
            P_MGkK = nn.Parameter(torch.empty(shape))
            nn.init.uniform_(P_MGkK, -math.sqrt(3 / k), math.sqrt(3 / k))
            self.projections.append(P_MGkK)
            self.register_buffer(f"fields_{number}", torch.tensor(fields), persistent=False)
        self._layout = tuple(_layout(cardinalities, by_size, embedding_size, sets))
        placed = [i for fields in by_size.values() for i in fields]
        self.register_buffer("order", torch.tensor(placed).argsort(), persistent=False)

    def start(self) -> None:
        """Begin a step, as `FusedEmbedding.start` does."""
        for table in self.tables:
            table.start()  # type: ignore[operator]

    def forward(self, ids_BN: Tensor) -> tuple[Tensor, ...]:
        """Look up one batch, and return one tensor of shape (B, N, K) per set."""
        found: list[list[Tensor]] = [[] for _ in range(self.sets)]
        for number, (table, P_MGkK) in enumerate(zip(self.tables, self.projections, strict=True)):
            ids_BG = ids_BN[:, getattr(self, f"fields_{number}")]
            for m, u_BGk in enumerate(table(ids_BG)):
                projected = u_BGk if not P_MGkK.numel() else torch.einsum("bgk,gkc->bgc", u_BGk, P_MGkK[m])
                found[m].append(projected)
        return tuple(torch.cat(parts, dim=1)[:, self.order] for parts in found)

    def layout(self) -> tuple[TableKey, ...]:
        """Return the position of every table and its projection in the state dict of the model."""
        return self._layout


def _layout(
    cardinalities: Sequence[int], by_size: Mapping[int, Sequence[int]], embedding_size: int, sets: int
) -> Iterator[TableKey]:
    for number, (k, fields) in enumerate(by_size.items()):
        ends = list(accumulate(cardinalities[i] for i in fields))
        for g, (i, end) in enumerate(zip(fields, ends, strict=True)):
            for m in range(sets):
                yield TableKey(
                    field=i,
                    set=m,
                    key=f"embedding.tables.{number}.weight",
                    rows=(end - cardinalities[i], end),
                    columns=(m * k, (m + 1) * k),
                    projection=(f"embedding.projections.{number}", m, g) if k < embedding_size else None,
                )
