"""Sub-embeddings E_i^{->j} of every pair of fields: E_i W_{i->j}^T (Section 4.1, Evidence I), or FFM's own tables.

Shapes: N fields, K embedding size, M sets, R rows of a table's factor.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from collapse.analysis.factors import FactoredTables
from collapse.analysis.measures.abundance import abundance_of_spectrum
from collapse.errors import CollapseError


def sub_embedding_abundance(factored: FactoredTables, *, layer: int = 0) -> pd.DataFrame:
    """IA(E_i^{->j}) of every ordered pair of fields, as in Figure 3a; of FFM as in Figure 14a.

    The sets of a multi-embedding model are side by side: E_i^{->j} is [E_i^(m) W_{i->j}^(m)T] over m, a reading
    of Figure 9 that the paper leaves open. FFM has a table for every E_i^{->j} with i != j, and none for i = j.

    Parameters
    ----------
    factored : FactoredTables
        The tables, with the model's interaction weights.
    layer : int
        The layer whose projections are taken, from 0; the paper takes the first.

    Returns
    -------
    pandas.DataFrame
        N^2 rows: ``source`` (field i), ``target`` (field j), ``ia`` of the sub-embedding, ``ia_source`` = IA(E_i),
        ``ia_target`` = IA(E_j). With FFM ``ia`` is NaN where i = j.

    Raises
    ------
    CollapseError
        If the model has no projections in that layer, or they hold NaN or infinity.

    Notes
    -----
    E_i has the singular values of its factor R_i under any product from the right, so no (D_i, K) product is
    formed: each pair costs one small decomposition of R_i W_{i->j}^T.
    """
    tables = factored.tables
    weights = tables.layer(layer)
    if not weights and tables.tables[0].sub_embeddings > 1:
        return _pairs(factored, np.stack([_of_own_tables(factored, i) for i in range(len(tables))]))
    if not weights:
        layers = sorted({weight.layer for weight in tables.interactions})
        there = f"its layers are {layers[0]} to {layers[-1]}" if layers else "it has none in any layer"
        raise CollapseError(
            f"{tables.source} ({tables.name}) has no projections W_i->j in layer {layer}, {there}: sub-embeddings "
            "need a checkpoint of DCNv2 or FFM, such as `collapse train --model dcnv2` makes"
        )
    for weight in weights:
        if not np.isfinite(weight.W).all():
            raise CollapseError(
                f"the projections of layer {layer}, set {weight.set} of {tables.source} hold NaN or infinity"
            )
    blocks = [weight.blocks for weight in weights]
    ia = np.stack(
        [
            abundance_of_spectrum(_sub_spectra(table.R, [W_NNKK[i] for W_NNKK in blocks]))
            for i, table in enumerate(factored)
        ]
    )
    return _pairs(factored, ia)


def _pairs(factored: FactoredTables, ia: NDArray[np.floating]) -> pd.DataFrame:
    i, j = (index.ravel() for index in np.indices(ia.shape))
    names = np.array(factored.tables.fields)
    ia_raw = np.array([abundance_of_spectrum(table.sigma) for table in factored])
    return pd.DataFrame(
        {"source": names[i], "target": names[j], "ia": ia.ravel(), "ia_source": ia_raw[i], "ia_target": ia_raw[j]}
    )


def _of_own_tables(factored: FactoredTables, i: int) -> NDArray[np.floating]:
    """Return IA(E_i^{->j}) for every j, NaN for j = i: parts of the table, in the order of the other fields."""
    table, R = factored.tables.tables[i], factored.factors[i].R
    parts_MSK = R.reshape(len(R), table.sets, table.sub_embeddings, -1)
    parts_SMK = np.moveaxis(parts_MSK, 2, 0).reshape(table.sub_embeddings, len(R), -1)
    return np.insert(abundance_of_spectrum(np.linalg.svd(parts_SMK, compute_uv=False)), i, np.nan)


def _sub_spectra(R: NDArray[np.floating], W_sets_NKK: list[NDArray[np.floating]]) -> NDArray[np.floating]:
    K = W_sets_NKK[0].shape[-1]
    products = [
        R[:, m * K : (m + 1) * K] @ W_NKK.astype(np.float64).transpose(0, 2, 1)
        for m, W_NKK in enumerate(W_sets_NKK)
    ]
    return np.linalg.svd(np.concatenate(products, axis=-1), compute_uv=False)


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """How one field's raw abundance goes with a sum of sub-embeddings' abundances."""

    pearson: float
    """Pearson's r; NaN if one side is constant."""
    spearman: float
    """Spearman's rank correlation; NaN if one side is constant."""


def co_influence(pairs: pd.DataFrame, by: str) -> tuple[pd.DataFrame, Correlation]:
    """Sum the abundances of sub-embeddings over one side, as in Figures 3b and 3c.

    Parameters
    ----------
    pairs : pandas.DataFrame
        What `sub_embedding_abundance` returned.
    by : {"source", "target"}
        The field that is kept: ``source`` gives sum_j IA(E_i^{->j}) for every i, ``target`` gives
        sum_i IA(E_i^{->j}) for every j.

    Returns
    -------
    sums : pandas.DataFrame
        ``field``, ``ia`` = IA(E_i) of the raw table, ``sum``; ascending by ``ia``.
    correlation : Correlation
        Of ``ia`` and ``sum``. The paper does not say which correlation factor it prints; both are given.
    """
    grouped = pairs.groupby(by, sort=False)
    sums = pd.DataFrame({"ia": grouped[f"ia_{by}"].first(), "sum": grouped["ia"].sum()})
    sums = sums.rename_axis("field").reset_index().sort_values("ia", kind="stable", ignore_index=True)
    if sums["ia"].nunique() < 2 or sums["sum"].nunique() < 2:
        return sums, Correlation(pearson=float("nan"), spearman=float("nan"))
    return sums, Correlation(
        pearson=float(stats.pearsonr(sums["ia"], sums["sum"]).statistic),
        spearman=float(stats.spearmanr(sums["ia"], sums["sum"]).statistic),
    )
