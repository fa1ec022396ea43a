"""Sub-embeddings E_i^{->j} = E_i A_ij of every pair of fields (Section 4.1, Evidence I; Appendix H).

Shapes: N fields, M sets, R rows of a table's factor.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.analysis.factorised import FactoredTables, factorise
from collapse.analysis.settings import AnalysisSettings
from collapse.errors import CollapseError
from collapse.io.field_maps import FieldMaps
from collapse.io.tables import TableSet
from collapse.measures.abundance import abundance_of_spectrum
from collapse.measures.spectra import threads_for

Side = Literal["source", "target"]

# Decompositions of fewer columns are too short for threads to pay off.
_WIDE = 32


def sub_embedding_abundance(
    source: Any, *, layer: int = 0, settings: AnalysisSettings | None = None
) -> pd.DataFrame:
    """IA(E_i^{->j}) of every ordered pair of fields, as in Figure 3a, or Figure 14a for FFM.

    The sets of a multi-embedding model are concatenated: E_i^{->j} is [E_i^(m) A_ij^(m)] over m. The paper leaves
    this open in Figure 9. FFM has a table for every E_i^{->j} with i != j, and none for i = j.

    Parameters
    ----------
    source : str, Path or object
        A checkpoint with field maps (DCNv2, FFM), as `collapse.load` takes it, or the result of `factorise`.
    layer : int
        Index of the layer whose maps are used. The paper uses the first.
    settings : AnalysisSettings, optional
        Which rows are used. The default is those that training looked up, if known; the paper uses all.

    Returns
    -------
    pandas.DataFrame
        N^2 rows: ``source`` (field i), ``target`` (field j), ``ia`` of the sub-embedding, ``ia_source`` = IA(E_i),
        ``ia_target`` = IA(E_j). ``ia`` is NaN if the model has no E_i^{->j}.

    Raises
    ------
    CollapseError
        If the model has no field maps in this layer, or they hold NaN or infinity.

    Notes
    -----
    E_i has the same singular values as its factor R_i under any product from the right, so no (D_i, K) product is
    formed: each pair takes one small decomposition of R_i A_ij.
    """
    factored = factorise(source, settings)
    tables = factored.tables
    maps = maps_of_layer(tables, layer)
    columns = max(table.columns for table in factored)
    with threads_for(columns) as threads, ThreadPoolExecutor(threads if columns >= _WIDE else 1) as pool:
        ia = np.stack(list(pool.map(lambda i: _of_source(factored, maps, i), range(len(tables)))))
    i, j = (index.ravel() for index in np.indices(ia.shape))
    names = np.array(tables.fields)
    ia_raw = np.array([abundance_of_spectrum(table.spectrum.values) for table in factored])
    return pd.DataFrame(
        {"source": names[i], "target": names[j], "ia": ia.ravel(), "ia_source": ia_raw[i], "ia_target": ia_raw[j]}
    )


def maps_of_layer(tables: TableSet, layer: int) -> tuple[FieldMaps, ...]:
    """Return the field maps of one layer, one per set.

    Parameters
    ----------
    tables : TableSet
        A checkpoint, as `load` reads it.
    layer : int
        Index of the layer.

    Returns
    -------
    tuple of FieldMaps
        In the order of the sets.

    Raises
    ------
    CollapseError
        If the model has no field maps in this layer, or they hold NaN or infinity.
    """
    maps = tables.layer(layer)
    if not maps:
        layers = sorted({each.layer for each in tables.field_maps})
        there = f"its layers are {layers[0]} to {layers[-1]}" if layers else "it has none in any layer"
        raise CollapseError(
            f"{tables.source} ({tables.name}) has no field maps W_i->j in layer {layer}, {there}: "
            "sub-embeddings need a checkpoint of DCNv2 or FFM, for example from `collapse train --model dcnv2`"
        )
    for each in maps:
        try:
            each.check()
        except ValueError as error:
            raise CollapseError(
                f"the projections of layer {layer}, set {each.set} of {tables.source} {error}"
            ) from error
    return maps


def _of_source(factored: FactoredTables, maps: Sequence[FieldMaps], i: int) -> NDArray[np.floating]:
    """Return IA(E_i^{->j}) for every j; NaN where there is none."""
    table, R = factored.tables.tables[i], factored.measured[i].spectrum.factor
    of_sets = [each.sub_embeddings(i, table.columns_of_set(R, each.set)) for each in maps]
    ia = np.full(len(factored.tables), np.nan)
    same_shape: dict[tuple[int, ...], list[tuple[int, NDArray[np.floating]]]] = {}
    for j, parts in enumerate(zip(*of_sets, strict=True)):
        if there := [part for part in parts if part is not None]:
            product = np.concatenate(there, axis=1)
            same_shape.setdefault(product.shape, []).append((j, product))
    for found in same_shape.values():
        targets, products = zip(*found, strict=True)
        ia[list(targets)] = abundance_of_spectrum(np.linalg.svd(np.stack(products), compute_uv=False))
    return ia


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Correlation of the fields' abundance with a sum of sub-embeddings' abundances."""

    pearson: float
    """Pearson's r; NaN if one side is constant."""
    pearson_p: float
    """Permutation p-value of Pearson's r: the fraction of permutations with an r as far from 0, at least
    1 / (permutations + 1)."""
    spearman: float
    """Spearman's rank correlation; NaN if one side is constant."""
    spearman_p: float
    """Permutation p-value of Spearman's correlation."""
    pearson_off_diagonal: float
    """Pearson's r with sums that leave out i = j. With few fields, i = j alone can decide the correlation, because
    what is left of a field after its interaction with itself depends on its own abundance."""
    pearson_off_diagonal_p: float
    """Permutation p-value of this r."""
    spearman_off_diagonal: float
    """Spearman's correlation with these sums."""
    spearman_off_diagonal_p: float
    """Permutation p-value of this correlation."""


def co_influence(
    pairs: pd.DataFrame, by: Side, *, permutations: int = 9999, seed: int = 0
) -> tuple[pd.DataFrame, Correlation]:
    """Sum the abundances of sub-embeddings over one side, as in Figures 3b and 3c.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Result of `sub_embedding_abundance`.
    by : {"source", "target"}
        The field that is kept: ``"source"`` gives sum_j IA(E_i^{->j}) for every i, ``"target"`` gives
        sum_i IA(E_i^{->j}) for every j.
    permutations : int
        Number of random permutations for the p-values.
    seed : int
        Seed of the permutations.

    Returns
    -------
    sums : pandas.DataFrame
        ``field``, ``ia`` = IA(E_i) of the raw table, ``sum``, and ``sum_off_diagonal`` without i = j, sorted by
        ``ia``.
    correlation : Correlation
        Correlations of ``ia`` with both sums. The paper does not say which correlation it prints, so there are
        two.

    Raises
    ------
    ValueError
        If `by` has another value.
    """
    if by not in get_args(Side):
        raise ValueError(f"by must be {' or '.join(map(repr, get_args(Side)))}, got {by!r}")
    from scipy import stats  # half a second to import, which a diagnosis without correlations need not wait for

    grouped = pairs.groupby(by, sort=False)
    others = pairs.assign(ia=pairs["ia"].where(pairs["source"] != pairs["target"])).groupby(by, sort=False)
    sums = pd.DataFrame(
        {"ia": grouped[f"ia_{by}"].first(), "sum": grouped["ia"].sum(), "sum_off_diagonal": others["ia"].sum()}
    )
    sums = sums.rename_axis("field").reset_index().sort_values("ia", kind="stable", ignore_index=True)
    x = sums["ia"].to_numpy()
    found: dict[str, float] = {}
    for name, column in (("", "sum"), ("_off_diagonal", "sum_off_diagonal")):
        y = sums[column].to_numpy()
        for kind, a, b in (("pearson", x, y), ("spearman", stats.rankdata(x), stats.rankdata(y))):
            found[f"{kind}{name}"], found[f"{kind}{name}_p"] = _permuted(a, b, permutations, seed)
    return sums, Correlation(**found)


def _permuted(
    x: NDArray[np.floating], y: NDArray[np.floating], permutations: int, seed: int
) -> tuple[float, float]:
    """Return Pearson's r and its two-sided permutation p-value; NaN if one side is constant."""
    from scipy import stats

    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return float("nan"), float("nan")
    method = stats.PermutationMethod(n_resamples=permutations, rng=np.random.default_rng(seed))
    found = stats.pearsonr(x, y, method=method)
    return float(found.statistic), float(found.pvalue)
