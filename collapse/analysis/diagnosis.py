"""Diagnosis of a checkpoint: one row per field with its measures and a verdict."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from collapse.analysis.dynamics import below_since
from collapse.analysis.factorised import FactoredTable, FactoredTables, factorise
from collapse.analysis.own_measures import Measure, measured, own_measures
from collapse.analysis.settings import AnalysisSettings
from collapse.analysis.verdicts import (
    COLLAPSED_BELOW,
    FEWEST_ROWS,
    PARTLY_BELOW,
    Degree,
    Evidence,
    cause,
    degree,
    verdict,
)
from collapse.measures import dimensions
from collapse.measures.abundance import abundance_of_spectrum, adjusted_abundance
from collapse.measures.causes import causes, gram_matrix, without
from collapse.measures.precision import ABOVE_NOISE, numerical_rank
from collapse.measures.random_matrix import (
    RandomAbundance,
    RandomMean,
    heavy_tailed_p01,
    random_abundance,
    weighted_random_abundance,
)

COLUMNS = {
    "field": "name of the field",
    "degree": "collapsed, partly collapsed, dominated by one direction, spread out, or not judged",
    "ia_adjusted": "adjusted abundance, (ia - 1) / (ia_random - 1): 0 at rank one, 1 for a random table",
    "ia": "information abundance, sum sigma / max sigma",
    "ia_random": "mean information abundance of random normal matrices with the same shape and row weights",
    "ia_normalised": "ia / ia_random",
    "cardinality": "rows D of the table",
    "rows_trained": "rows that training looked up",
    "near_zero": "fraction of rows with almost no norm",
    "rank": "directions above the rounding noise of the table's type",
    "k99": "directions that hold 99 % of the energy",
    "ia_random_low": "2.5 % of random tables lie below it",
    "ia_random_high": "2.5 % of random tables lie above it",
    "ia_random_p01": "1 % of random tables lie below it",
    "ia_per_k": "ia / number of columns of the table",
    "effective_rank": "exp of the entropy of sigma / sum sigma (RankMe)",
    "stable_rank": "sum sigma^2 / max sigma^2",
    "participation_ratio": "(sum sigma^2)^2 / sum sigma^4",
    "first_share": "fraction of the energy sum sigma^2 in the first direction",
    "k90": "directions that hold 90 % of the energy",
    "k95": "directions that hold 95 % of the energy",
    "above_bulk": "directions above the Marchenko-Pastur bulk of the table; missing if most are rounding noise",
    "noise": "rounding noise of the table's type / max sigma",
    "anisotropy": "mean cosine of two rows",
    "rows_entered": "rows that were measured",
    "rows_zero": "rows of zeros: padding, or never trained",
    "rows_untouched": "rows with the norm of an initialisation while others have not, if row counts are unknown",
    "adjusted_centred": "adjusted abundance without the mean row",
    "adjusted_without_first": "adjusted abundance without the first direction",
    "adjusted_without_constant": "adjusted abundance without the constant columns",
    "constant_columns": "columns with the same value in all rows",
    "adjusted_without_popularity": "adjusted abundance without the direction that follows the row counts",
    "adjusted_without_near_zero": "adjusted abundance relative to random tables with only the rows that are not "
    "near zero",
    "adjusted_trained": "adjusted abundance of the rows that training looked up",
    "adjusted_all": "adjusted abundance of all rows",
    "cosine_mean": "cosine of the first left singular vector with the vector of ones",
    "cosine_counts": "cosine of the first left singular vector with the row counts",
    "cosine_log_counts": "cosine of the first left singular vector with log(1 + row count)",
    "cause": "what a field is dominated by: constant columns, mean row, popularity, first direction, or nothing",
    "verdict": "the degree with its reason",
}
"""The columns of `diagnose` with their meaning, the most important ones first."""


MEASURES = tuple(name for name in COLUMNS if name not in ("field", "degree", "cause", "verdict"))
"""The numeric columns."""


def registered_measures() -> Mapping[str, Measure]:
    """Return the measures that other packages register, by the names of their columns."""
    return own_measures(tuple(COLUMNS))


def all_measures() -> tuple[str, ...]:
    """Return the numeric columns, with those of measures that other packages register."""
    return (*MEASURES, *registered_measures())


def diagnose(source: Any, *, settings: AnalysisSettings | None = None) -> pd.DataFrame:
    """Measure how far every field of a checkpoint or model has collapsed.

    Parameters
    ----------
    source : str, Path or object
        The path of a checkpoint, a model (``nn.Module``), a state dict, arrays by name, one array or tensor, an
        ``nn.Embedding``, or the result of `load`.
    settings : AnalysisSettings, optional
        Which rows are used, and how the random tables are drawn.

    Returns
    -------
    pandas.DataFrame
        One row per field in the model's order, with the columns of `COLUMNS`. The sets of a multi-embedding model
        are concatenated. ``attrs["choices"]`` holds the settings.

    Raises
    ------
    CollapseError
        If no tables can be read from `source`, or a table holds NaN or infinity.

    Examples
    --------
    >>> import collapse
    >>> worst = collapse.diagnose("runs/first/best.pt").nsmallest(3, "ia_normalised")  # doctest: +SKIP
    >>> import numpy as np
    >>> fields = collapse.diagnose({"user": np.eye(40, 4), "item": np.ones((30, 4))})
    >>> fields["ia"].round(6).tolist()
    [4.0, 1.0]
    """
    return diagnose_factored(factorise(source, settings))


def diagnose_factored(factored: FactoredTables) -> pd.DataFrame:
    """Diagnose tables whose spectra are already computed.

    Parameters
    ----------
    factored : FactoredTables
        Result of `factorise`.
    """
    since = _since(factored)
    records = [_record(table, factored.settings, since.get(table.field)) for table in factored]
    columns = [*COLUMNS, *registered_measures()]
    frame = pd.DataFrame.from_records(records, columns=columns).astype(
        {"rows_trained": "Int64", "above_bulk": "Int64"}
    )
    known = frame["rows_trained"].notna()
    counts = "known" if known.all() else "not known" if not known.any() else "known for some fields"
    frame.attrs["choices"] = {**asdict(factored.settings), "row_counts": counts}
    return frame


_SMALL = 4096
"""Tables of at most this many entries are also compared with heavy-tailed random tables."""


def _since(factored: FactoredTables) -> dict[str, int]:
    """Return since when fields have been collapsed, if the run recorded it for the rows that are measured."""
    tables, epoch = factored.tables, factored.tables.description.get("epoch", "")
    rows = factored.settings.rows
    if rows == "frequency" or factored.settings.centred or not epoch.isdecimal():
        return {}
    return below_since(tables.source, int(epoch), COLLAPSED_BELOW, rows=rows)


def _record(table: FactoredTable, settings: AnalysisSettings, since: int | None) -> dict[str, Any]:
    D, K = table.rows, table.columns
    sigma = table.spectrum.values
    ia = float(abundance_of_spectrum(sigma))
    random = _random(table, D, settings)
    rows_of_norm = D - round(table.of_rows.near_zero * D)
    if rows_of_norm < FEWEST_ROWS:
        # A single row of enormous norm makes all others near zero, which says nothing about them, unless they are
        # zero.
        rows_of_norm = D - table.of_rows.zero
    random_of_norm = random if rows_of_norm in (0, D) else _random(table, rows_of_norm, settings)
    first_share = float(dimensions.first_direction_fraction(sigma))
    adjusted = adjusted_abundance(ia, random.mean)
    near = RandomMean(mean=random.mean, D=D, K=K, seed=settings.seed)
    of = causes(table.spectrum, table.of_rows.sums, D, near)
    trained, everything = _trained_and_all(table, adjusted, near, settings)
    evidence = Evidence(
        causes=of,
        adjusted=adjusted,
        is_rare=_is_rare(ia, random, D, K, settings),
        rows=D,
        columns=K,
        is_zero=ia == 0,
        rows_of_norm=rows_of_norm,
        adjusted_of_norm=adjusted_abundance(ia, random_of_norm.mean),
        is_rare_of_norm=_is_rare(ia, random_of_norm, rows_of_norm, K, settings),
        never_trained=table.rows_trained == 0,
        rows_untouched=table.of_rows.untouched,
        since=since,
    )
    found = degree(evidence)
    noise = table.noise
    # The bulk is scaled to the median, which is meaningless if most directions are rounding noise.
    has_bulk = len(sigma) > 0 and float(np.median(sigma)) > ABOVE_NOISE * noise
    return {
        "field": table.field,
        "cardinality": table.cardinality,
        "rows_trained": table.rows_trained,
        "rows_entered": D,
        "rows_zero": table.of_rows.zero,
        "rows_untouched": table.of_rows.untouched,
        "near_zero": table.of_rows.near_zero,
        "ia": ia,
        "ia_random": random.mean,
        "ia_random_low": random.low,
        "ia_random_high": random.high,
        "ia_random_p01": random.p01,
        "ia_adjusted": adjusted,
        "ia_normalised": ia / random.mean,
        "ia_per_k": ia / K,
        "effective_rank": float(dimensions.effective_rank(sigma)),
        "stable_rank": float(dimensions.stable_rank(sigma)),
        "participation_ratio": float(dimensions.participation_ratio(sigma)),
        "first_share": first_share,
        **{
            f"k{percent}": int(dimensions.directions_for_energy(sigma, fraction=percent / 100))
            for percent in (90, 95, 99)
        },
        "above_bulk": int(dimensions.directions_above_bulk(sigma, D, K)) if has_bulk else None,
        "rank": numerical_rank(sigma, D, K, eps=table.eps, spacing=table.spacing),
        "noise": noise / sigma[0] if ia else 0.0,
        "anisotropy": table.of_rows.anisotropy,
        "adjusted_centred": of.mean.adjusted,
        "adjusted_without_first": of.first.adjusted,
        "adjusted_without_constant": of.constant.adjusted,
        "constant_columns": of.constant_columns,
        "adjusted_without_popularity": of.popularity.adjusted,
        "adjusted_without_near_zero": evidence.adjusted_of_norm,
        "adjusted_trained": trained,
        "adjusted_all": everything,
        "cosine_mean": of.alignment.mean,
        "cosine_counts": of.alignment.counts,
        "cosine_log_counts": of.alignment.log_counts,
        "cause": str(cause(evidence)) if found is Degree.DOMINATED else "",
        "degree": str(found),
        "verdict": verdict(evidence),
        **measured(registered_measures(), table.sigma, D, K, field=table.field),
    }


def _random(table: FactoredTable, rows: int, settings: AnalysisSettings) -> RandomAbundance:
    """Draw random tables of a number of rows. A centred table has one degree of freedom less."""
    draws, seed = settings.draws, settings.seed
    if table.weights is None or table.weights.dtype == bool:
        return random_abundance(max(1, rows - settings.centred), table.columns, draws=draws, seed=seed)
    return weighted_random_abundance(table.weights, table.columns, draws=draws, seed=seed)


def _is_rare(ia: float, random: RandomAbundance, D: int, K: int, settings: AnalysisSettings) -> bool:
    """Return whether random tables of this shape, even heavy-tailed ones, hardly ever come as low."""
    if ia >= random.p01 or adjusted_abundance(ia, random.mean) >= PARTLY_BELOW:
        return ia < random.p01
    # Larger tables never come as low by chance, whatever their distribution.
    return max(1, D) * K > _SMALL or ia < heavy_tailed_p01(max(1, D), K, seed=settings.seed)


def _trained_and_all(
    table: FactoredTable, adjusted: float, near: RandomMean, settings: AnalysisSettings
) -> tuple[float, float]:
    """Return the adjusted abundance of the trained rows and of all rows; NaN if unknown."""
    never, K, D = table.of_rows.sums.untrained, table.columns, table.cardinality
    if settings.centred or settings.rows == "frequency":
        return float("nan"), float("nan")
    if table.rows_trained is None or never is None:
        return float("nan"), adjusted
    if table.rows_trained in (0, D):
        return adjusted if table.rows_trained else float("nan"), adjusted
    G = gram_matrix(table.spectrum)
    with np.errstate(over="ignore", invalid="ignore"):
        never = never / table.spectrum.scale / table.spectrum.scale
    if table.weights is None:
        return without(G - never, float(np.trace(G)), table.rows_trained, K, near).adjusted, adjusted
    return adjusted, without(G + never, float(np.trace(G)), D, K, near).adjusted
