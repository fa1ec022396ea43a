"""Interaction patterns of a checkpoint: the norm of every field map, set by set (Section 5.3, Figure 10b).

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
    """Measure every field map A_ij of one layer; of DCNv2 A_ij = W_{i->j}^T, of regularised DCNv2 n_ij times that.

    Parameters
    ----------
    source : str, Path or object
        A checkpoint, as `collapse.load` takes it.
    layer : int
        The layer, from 0.

    Returns
    -------
    pandas.DataFrame
        A row a set and pair: ``set`` from 0, ``source`` (field i), ``target`` (field j), ``norm`` =
        ||W_{i->j}^(m)||_F, ``unitary_distance`` from 0 for a multiple of a unitary map. ``attrs`` holds the
        ``divergence`` of the patterns across the sets.

    Raises
    ------
    CollapseError
        If the model has no field maps in that layer, or they hold NaN or infinity.
    """
    tables = load(source)
    frame = pd.DataFrame.from_records(list(_records(tables, layer)))
    frame.attrs["divergence"] = divergence(frame)
    return frame


def divergence(patterns: pd.DataFrame) -> float:
    """Return the divergence of what `interaction_patterns` returned; a file does not keep its ``attrs``."""
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
