"""Interaction patterns of a checkpoint: norms of the field maps of every set (Section 5.3, Figure 10b).

Shapes: N fields, M sets.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from collapse.analysis.sub_embeddings import maps_of_layer
from collapse.io.load import load
from collapse.io.tables import TableSet
from collapse.measures.projections import pattern_divergence, unitary_distance


def interaction_patterns(source: Any, *, layer: int = 0) -> pd.DataFrame:
    """Measure the field maps A_ij of one layer: W_{i->j}^T in DCNv2, multiplied by n_ij if it is regularised.

    Parameters
    ----------
    source : str, Path or object
        A checkpoint, as `collapse.load` takes it.
    layer : int
        Index of the layer.

    Returns
    -------
    pandas.DataFrame
        One row per set and pair: ``set`` from 0, ``source`` (field i), ``target`` (field j), ``norm`` =
        ||W_{i->j}^(m)||_F, and ``unitary_distance``, which is 0 for a multiple of a unitary map. ``attrs`` holds
        the ``divergence`` of the patterns between the sets.

    Raises
    ------
    CollapseError
        If the model has no field maps in this layer, or they hold NaN or infinity.
    """
    tables = load(source)
    frame = pd.DataFrame.from_records(list(_records(tables, layer)))
    frame.attrs["divergence"] = divergence(frame)
    return frame


def divergence(patterns: pd.DataFrame) -> float:
    """Compute the divergence of a result of `interaction_patterns`, whose ``attrs`` files do not store."""
    N = patterns["source"].nunique()
    return pattern_divergence(patterns["norm"].to_numpy().reshape(-1, N, N))


def _records(tables: TableSet, layer: int) -> Iterator[dict[str, Any]]:
    for maps in maps_of_layer(tables, layer):
        for i, source in enumerate(tables.fields):
            of_source = maps.sub_embeddings(i, np.eye(maps.columns(i)))
            for target, A in zip(tables.fields, of_source, strict=True):
                sigma = np.full(1, np.nan) if A is None else np.linalg.svd(A, compute_uv=False)
                yield {
                    "set": maps.set,
                    "source": source,
                    "target": target,
                    "norm": float(np.sqrt((sigma**2).sum())),
                    "unitary_distance": float("nan") if A is None else float(unitary_distance(sigma)),
                }
