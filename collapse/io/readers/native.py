"""Tables and field maps from this project's own checkpoints, whose layout says where they are."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.io.blocks import Product, as_array, side_by_side
from collapse.io.checkpoint.schema import Checkpoint, Layout, TableKey, flat_config
from collapse.io.field_maps import ColumnMaps, FieldMaps, ProjectionMaps
from collapse.io.tables import EmbeddingTable, TableSet


def tables_of(checkpoint: Checkpoint, *, source: str = "the model in training") -> TableSet:
    """Return the tables and field maps of a checkpoint in memory.

    Returns
    -------
    TableSet
        Views of its tensors.
    """
    settings = {**flat_config(checkpoint.config), "epoch": checkpoint.results["epoch"]}
    layout, tensors = checkpoint.layout, checkpoint.state_dict
    counts = np.split(as_array(checkpoint.row_counts), np.cumsum(checkpoint.cardinalities)[:-1])
    return TableSet(
        name=checkpoint.name,
        source=source,
        tables=tuple(_tables(layout, tensors, checkpoint.fields, counts)),
        field_maps=tuple(_field_maps(layout, tensors)),
        description=_description(checkpoint),
        validation_auc=_validation_auc(checkpoint),
        settings={key: str(value) for key, value in settings.items()},
    )


def tables_of_model(name: str, layout: Layout, tensors: Mapping[str, Any]) -> TableSet:
    """Return the tables and field maps of a model of this project, which does not know the names of its fields.

    Parameters
    ----------
    name : str
        Name of the model.
    layout : Layout
        Positions of the tables and maps.
    tensors : mapping of str to tensor
        The state dict.

    Returns
    -------
    TableSet
        Views of its tensors. The fields are named ``field_0`` and so on.
    """
    numbers = sorted({key.field for key in layout.tables})
    fields = tuple(f"field_{number}" for number in numbers)
    return TableSet(
        name=name,
        source="the model",
        tables=tuple(_tables(layout, tensors, fields, [None] * len(fields))),
        field_maps=tuple(_field_maps(layout, tensors)),
    )


def _tables(
    layout: Layout, tensors: Mapping[str, Any], fields: Sequence[str], counts: Sequence[Any]
) -> Iterator[EmbeddingTable]:
    for i, (field, row_counts) in enumerate(zip(fields, counts, strict=True)):
        keys = layout.of_field(i)
        projected = [key for key in keys if key.projection is not None]
        yield EmbeddingTable(
            field=field,
            E=side_by_side([_product(tensors, key) for key in keys])
            if projected
            else _side_by_side(tensors, keys),
            sizes=tuple(key.size for key in keys),
            row_counts=row_counts,
        )


def _product(tensors: Mapping[str, Any], key: TableKey) -> Any:
    """Return U R^T of a projected table E = U P, where P^T = Q R.

    Its singular values are those of E, because E = (U R^T) Q^T and Q has orthonormal columns.
    """
    part = _table(tensors[key.key])[slice(*key.rows), slice(*key.columns)]
    return part if key.projection is None else Product(part, _factors(tensors, key.projection)[1].T)


def _factors(tensors: Mapping[str, Any], projection: tuple[str, int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return Q (K, k) and R (k, k) of P^T = Q R."""
    key, m, g = projection
    P = as_array(tensors[key])[m, g]
    if not np.isfinite(P).all():
        raise CollapseError(f"the projection {key}[{m}, {g}] holds NaN or infinity")
    Q, R = np.linalg.qr(P.T)
    return Q, R


def _side_by_side(tensors: Mapping[str, Any], keys: Sequence[TableKey]) -> Any:
    """Return the concatenated sets of one field, as a view if they are adjacent in one tensor."""
    first, last = keys[0], keys[-1]
    adjacent = all((a.key, a.rows, a.columns[1]) == (b.key, b.rows, b.columns[0]) for a, b in pairwise(keys))
    if adjacent:
        return _table(tensors[first.key])[slice(*first.rows), first.columns[0] : last.columns[1]]
    return np.hstack([as_array(tensors[key.key])[slice(*key.rows), slice(*key.columns)] for key in keys])


def _table(tensor: Any) -> Any:
    """Return an array, or the tensor itself if NumPy has no view of it (on a device, or in bfloat16)."""
    if isinstance(tensor, np.ndarray):
        return tensor
    tensor = tensor.detach()
    bfloat16 = str(tensor.dtype) == "torch.bfloat16"
    return tensor if tensor.device.type != "cpu" or bfloat16 else tensor.numpy()


def _field_maps(layout: Layout, tensors: Mapping[str, Any]) -> Iterator[FieldMaps]:
    for maps in layout.maps:
        if maps.weight is None:
            assert maps.columns is not None
            yield ColumnMaps(layer=maps.layer, set=maps.set, blocks=maps.columns)
            continue
        W, keys = as_array(tensors[maps.weight]), layout.of_set(maps.set)
        targets: tuple[int, ...] = ()
        if any(key.projection is not None for key in keys):
            # The tables are U R^T, so that the maps of E = U P get what is left of P: E A = (U R^T) (Q^T A).
            Q = [
                np.eye(key.size) if key.projection is None else _factors(tensors, key.projection)[0]
                for key in keys
            ]
            targets = tuple(len(each) for each in Q)
            of_sources = np.split(W, np.cumsum(targets)[:-1], axis=1)
            W = np.hstack([part @ each.astype(W.dtype) for part, each in zip(of_sources, Q, strict=True)])
        yield ProjectionMaps(
            layer=maps.layer,
            set=maps.set,
            W=W,
            sizes=layout.sizes(maps.set),
            targets=targets,
            factors=None if maps.factors is None else as_array(tensors[maps.factors]),
        )


def _validation_auc(checkpoint: Checkpoint) -> float | None:
    auc = checkpoint.results.get("validation_auc")
    return float(auc) if isinstance(auc, int | float) else None


def _description(checkpoint: Checkpoint) -> dict[str, str]:
    seeds = checkpoint.config["seeds"]
    return {
        "data": checkpoint.data["name"],
        "epoch": str(checkpoint.results["epoch"]),
        "seeds": "/".join(f"{seeds[key]}" for key in ("split", "initialisation", "order")),
    }
