"""Measurements that a training run can record (Figure 4's view of a real model).

A monitor receives the model as a checkpoint in memory and returns rows, which the run writes next to its metrics.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_args

import numpy as np

from collapse.analysis.activation_monitor import outputs_of
from collapse.analysis.diagnosis import registered_measures
from collapse.analysis.factorised import factorise
from collapse.analysis.interaction_patterns import interaction_patterns
from collapse.analysis.own_measures import measured
from collapse.analysis.segments import LOOKED_UP, by_lookups, diagnose_segments
from collapse.analysis.settings import PAPER
from collapse.analysis.spectrum_monitor import adjusted_over, against_random
from collapse.analysis.sub_embeddings import Side, co_influence, sub_embedding_abundance
from collapse.io.checkpoint.schema import Checkpoint
from collapse.io.field_maps import ProjectionMaps
from collapse.io.readers.native import tables_of
from collapse.io.tables import EmbeddingTable
from collapse.measures.abundance import adjusted_abundance
from collapse.measures.random_matrix import random_abundance
from collapse.measures.spectra import singular_values

Row = Mapping[str, Any]


class AbundanceMonitor:
    """Information abundance of every field.

    ``field``, ``ia`` and ``ia_normalised`` of all rows of a table, as in the paper, and ``ia_adjusted`` of the
    rows that training looks up, as in verdicts.
    """

    name = "abundance"

    def __call__(self, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        """Measure every field."""
        return [{"field": table.field, **_measured(table)} for table in tables_of(checkpoint)]

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Average over the fields: ``ia_mean`` and ``ia_normalised_mean``."""
        measures = ("ia", "ia_normalised")
        return {f"{measure}_mean": float(np.mean([row[measure] for row in rows])) for measure in measures}


class CoInfluenceMonitor:
    """Pearson's and Spearman's correlations of Figures 3b and 3c, in one layer; none without field maps.

    Parameters
    ----------
    layer : int
        Index of the layer.
    """

    name = "co-influence"

    def __init__(self, layer: int = 0) -> None:
        self.layer = layer

    def __call__(self, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        """Correlate on both sides: ``by`` (source or target) and the columns of `Correlation`."""
        tables = tables_of(checkpoint)
        if not tables.layer(self.layer):
            return []
        pairs = sub_embedding_abundance(factorise(tables, PAPER), layer=self.layer)
        # A tenth of the permutations of an analysis. With all of them a measurement would take 4 % of a short
        # epoch.
        found = {by: co_influence(pairs, by, permutations=999)[1] for by in get_args(Side)}
        return [{"by": by, **asdict(correlation)} for by, correlation in found.items()]

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return Pearson's correlations over all pairs as ``co_influence_source`` and ``co_influence_target``."""
        return {f"co_influence_{row['by']}": float(row["pearson"]) for row in rows}


def _measured(table: EmbeddingTable) -> dict[str, float]:
    of_all = against_random(table.E)
    if table.row_counts is None or table.row_counts.all():
        adjusted = adjusted_abundance(of_all["ia"], random_abundance(*map(int, table.E.shape)).mean)
    else:
        adjusted = adjusted_over(table.E, table.row_counts > 0)
    own = registered_measures()
    if not own:
        return {**of_all, "ia_adjusted": adjusted}
    D, K = map(int, table.E.shape)
    return {**of_all, "ia_adjusted": adjusted, **measured(own, singular_values(table.E), D, K, field=table.field)}


class PatternsMonitor:
    """Distance of a layer's projections from unitary ones, and divergence of the sets' patterns.

    Regularising DCNv2 and aligning norms are meant to reduce these (Evidence III, Section 5.3):
    ``unitary_distance``, the mean over all pairs and sets, and ``pattern_divergence``. There are none without
    projections.

    Parameters
    ----------
    layer : int
        Index of the layer.
    """

    name = "patterns"

    def __init__(self, layer: int = 0) -> None:
        self.layer = layer

    def __call__(self, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        """Measure the layer's projections."""
        tables = tables_of(checkpoint)
        if not any(isinstance(maps, ProjectionMaps) for maps in tables.layer(self.layer)):
            return []
        frame = interaction_patterns(tables, layer=self.layer)
        distance = float(frame["unitary_distance"].mean())
        return [{"unitary_distance": distance, "pattern_divergence": frame.attrs["divergence"]}]

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return both numbers."""
        return {key: float(value) for row in rows for key, value in row.items()}


class LayersMonitor:
    """Abundance, effective rank and mean cosine of what the layers of the model return for some validation rows.

    The layers are the embedding (rows of one field each), the interactions, the projections and the layers of the
    head; outputs of one column are left out.
    """

    name = "layers"

    def __init__(self) -> None:
        self._model: Any = None
        self._ids: Any = None

    def attach(self, model: Any, ids: Any) -> None:
        """Receive the model in training, and the rows to measure it on."""
        self._model, self._ids = model, ids

    def __call__(self, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        """Measure every layer: the columns of `collapse.analysis.activation_monitor.COLUMNS`."""
        del checkpoint
        layers = [name for name, _ in self._model.named_modules() if _LAYER.fullmatch(name)]
        return outputs_of(self._model, self._ids, layers)

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return nothing: the layers have a file of their own."""
        del rows
        return {}


class SegmentsMonitor:
    """Abundance of the head, the middle and the tail of the lookups of every field.

    ``field``, ``segment``, ``rows``, ``lookups``, ``ia``, ``ia_adjusted`` and ``near_zero``, as
    `collapse analyze --by lookups` prints them.
    """

    name = "segments"

    def __call__(self, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        """Measure the segments of every field."""
        found = diagnose_segments(factorise(tables_of(checkpoint)), by_lookups)
        kept = ["field", "segment", "rows", "lookups", "ia", "ia_adjusted", "near_zero"]
        return [{str(key): value for key, value in row.items()} for row in found[kept].to_dict("records")]

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Average the adjusted abundance of each segment over the fields: ``ia_adjusted_head`` and so on."""
        found: dict[str, list[float]] = {}
        for row in rows:
            if np.isfinite(value := float(row["ia_adjusted"])):
                found.setdefault(str(row["segment"]), []).append(value)
        return {f"ia_adjusted_{name}": float(np.mean(found[name])) for name in LOOKED_UP if name in found}


_LAYER = re.compile(r"embedding|interactions\.\d+|projections\.\d+\.\w+|head\.mlp\.\d+")
MONITORS = {
    kind.name: kind
    for kind in (AbundanceMonitor, CoInfluenceMonitor, PatternsMonitor, LayersMonitor, SegmentsMonitor)
}
"""The monitors by name."""
