"""Field maps from another library's cross layers: which columns of W belong to which field.

All libraries act as y = W x on the concatenated fields, so W_{i->j} is block [j, i] of W, as in our models.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.io.blocks import as_array
from collapse.io.families.family import Family
from collapse.io.field_maps import ProjectionMaps
from collapse.io.readers.roles import Roles
from collapse.io.tables import EmbeddingTable


def field_maps(
    roles: Roles, tables: Sequence[EmbeddingTable]
) -> tuple[tuple[ProjectionMaps, ...], tuple[str, ...]]:
    """Find the maps of every layer and set.

    Parameters
    ----------
    roles : Roles
        The roles of the tensors.
    tables : sequence of EmbeddingTable
        At least two fields, in the order in which the model concatenates them.

    Returns
    -------
    maps : tuple of ProjectionMaps
        The maps, without the columns of numeric fields.
    notes : tuple of str
        The assumptions that were made, or why there are no maps.
    """
    family = roles.family
    if family is None or not roles.weights:
        return (), ()
    sets = max(table.sets for table in tables)
    factors = {
        (match.number("layer"), match.groups.get("set")): as_array(values)
        for match, values in ((each.match, each.values) for each in roles.weights)
        if family.match(family.factors, match.name)
    }
    maps: list[ProjectionMaps] = []
    notes: set[str] = set()
    for layer, of_set, W in _projections(family, roles):
        for m in range(sets) if of_set is None else (int(of_set),):
            sizes = tuple(table.sizes[m] for table in tables if m < table.sets)
            columns = _columns(roles, tables, m)
            reason = _misfit(W, columns, sizes, len(tables))
            if reason is not None:
                notes.add(f"its cross layers are not analysed: {reason}")
                continue
            if W.shape[1] > len(columns):
                where = "first" if family.numbers_first else "last"
                rest = W.shape[1] - len(columns)
                what = (
                    "belong to numeric fields or shared tables"
                    if roles.gaps
                    else f"(the {where} ones) belong to no table"
                )
                notes.add(f"{rest} of {W.shape[1]} columns of its cross layers {what}")
                if not roles.gaps:
                    columns = columns + rest if family.numbers_first else columns
                W = W[np.ix_(columns, columns)]
            n = factors.get((layer, of_set))
            n = n if n is not None and n.shape == (len(tables),) * 2 else None
            maps.append(ProjectionMaps(layer=layer, set=m, W=W, sizes=sizes, factors=n))
    return tuple(maps), tuple(sorted(notes))


def _projections(family: Family, roles: Roles) -> Iterator[tuple[int, str | None, NDArray[Any]]]:
    """Yield layer, set and matrix."""
    left = {}
    for tensor in roles.weights:
        name, shape = tensor.match.name, tuple(tensor.values.shape)
        layer, of_set = tensor.match.number("layer"), tensor.match.groups.get("set")
        if family.low_rank is not None and family.match(family.low_rank[:1], name):
            left[layer] = as_array(tensor.values)
        elif family.low_rank is not None and family.match(family.low_rank[1:], name):
            if layer in left and left[layer].ndim == len(shape) == 2:
                yield layer, of_set, left[layer] @ as_array(tensor.values)
        elif family.match(family.projections, name):
            if len(shape) == 3 and shape[1] == shape[2]:
                yield from ((number, of_set, W) for number, W in enumerate(as_array(tensor.values)))
            elif len(shape) == 2 and shape[0] == shape[1]:
                yield layer, of_set, as_array(tensor.values)


def _columns(roles: Roles, tables: Sequence[EmbeddingTable], m: int) -> NDArray[np.intp]:
    """Return the columns of W that belong to tables, in the order of the tables."""
    if not roles.gaps:
        return np.arange(sum(table.sizes[m] for table in tables if m < table.sets))
    # In the order of the file, as far as it is the same part of the model.
    prefix = roles.tables[0].match.prefix
    widths = {tensor.match.name: int(tensor.values.shape[1]) for tensor in roles.tables}
    found, end = [], 0
    for name in roles.order:
        if name in widths:
            found.append(np.arange(end, end + widths[name]))
        if name in widths or (name in roles.gaps and name.startswith(prefix)):
            end += widths.get(name) or roles.gaps[name]
    return np.concatenate(found)


def _misfit(W: NDArray[Any], columns: NDArray[np.intp], sizes: tuple[int, ...], fields: int) -> str | None:
    if fields < 2:
        return "its fields are unknown"
    if len(sizes) != fields or len(columns) != sum(sizes):
        return "some fields do not have all sets"
    if W.shape[1] <= columns.max():
        return f"a matrix of {W.shape[0]} x {W.shape[1]} does not fit fields with {len(columns)} columns in total"
    return None
