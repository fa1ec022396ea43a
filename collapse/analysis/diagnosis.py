"""Which fields collapsed: one row a field."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from collapse.analysis.dynamics import below_since
from collapse.analysis.factorised import FactoredTable, FactoredTables, factorise
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
    "field": "the field's name",
    "degree": "collapsed, partly collapsed, dominated by one direction, spread out, or not judged",
    "ia_adjusted": "adjusted abundance, (ia - 1) / (ia_random - 1): 0 at rank one, 1 for a random table",
    "ia": "information abundance, sum sigma / max sigma",
    "ia_random": "the same of a random normal matrix of the same shape and row weights, on average",
    "ia_normalised": "ia / ia_random",
    "cardinality": "rows of its table, D",
    "rows_trained": "rows that training looked up",
    "near_zero": "share of rows with almost no norm",
    "rank": "directions above the rounding noise of the table's type",
    "k99": "directions that hold 99 % of the energy",
    "ia_random_low": "below it lie 2.5 % of random tables",
    "ia_random_high": "above it lie 2.5 % of random tables",
    "ia_random_p01": "below it lies 1 % of random tables",
    "ia_per_k": "ia / columns of the table",
    "effective_rank": "exp of the entropy of sigma / sum sigma (RankMe)",
    "stable_rank": "sum sigma^2 / max sigma^2",
    "participation_ratio": "(sum sigma^2)^2 / sum sigma^4",
    "first_share": "share of the energy sum sigma^2 that the first direction takes",
    "k90": "directions that hold 90 % of the energy",
    "k95": "directions that hold 95 % of the energy",
    "above_bulk": "directions above the Marchenko-Pastur bulk of the table; none if most are rounding noise",
    "noise": "that rounding noise / max sigma",
    "anisotropy": "mean cosine of two rows",
    "rows_entered": "rows that entered",
    "rows_zero": "rows of zeros alone: padding, or never trained",
    "rows_untouched": "rows at the norm of an initialisation while others are not, where row counts are not known",
    "adjusted_centred": "adjusted abundance without the mean row",
    "adjusted_without_first": "adjusted abundance without the first direction",
    "adjusted_without_constant": "adjusted abundance without the constant columns",
    "constant_columns": "columns that are the same in all rows",
    "adjusted_without_popularity": "adjusted abundance without the direction that follows the row counts",
    "adjusted_without_near_zero": "adjusted abundance against random tables of the rows that are not near zero",
    "adjusted_trained": "adjusted abundance over the rows that training looked up",
    "adjusted_all": "adjusted abundance over all rows",
    "cosine_mean": "cosine of the first left singular vector with the one in which all rows are alike",
    "cosine_counts": "the same with the row counts",
    "cosine_log_counts": "the same with log(1 + row count)",
    "cause": "what a field is dominated by: constant columns, mean row, popularity, first direction, or nothing",
    "verdict": "the degree with the reason",
}
"""The columns of `diagnose`, those that are read first before the others, with what they hold."""


MEASURES = tuple(name for name in COLUMNS if name not in ("field", "degree", "cause", "verdict"))
"""Those of them that are numbers."""


def diagnose(source: Any, *, settings: AnalysisSettings | None = None) -> pd.DataFrame:
    """Measure how far every field of a checkpoint or model is collapsed.

    Parameters
    ----------
    source : str, Path or object
        The path of a checkpoint, a model (``nn.Module``), a state dict, arrays by name, one array or tensor, an
        ``nn.Embedding``, or what `load` returned.
    settings : AnalysisSettings, optional
        Which rows enter, and how the random baseline is drawn.

    Returns
    -------
    pandas.DataFrame
        One row a field in the model's order, the columns of `COLUMNS`. The sets of a multi-embedding model are
        side by side. `attrs` holds the settings.

    Raises
    ------
    CollapseError
        If no tables can be read from it, or a table holds NaN or infinity.

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
    """Do what `diagnose` does with tables that are factored already.

    Parameters
    ----------
    factored : FactoredTables
        What `factorise` returned.

    Returns
    -------
    pandas.DataFrame
        As from `diagnose`.
    """
    since = _since(factored)
    records = [_record(table, factored.settings, since.get(table.field)) for table in factored]
    frame = pd.DataFrame.from_records(records, columns=list(COLUMNS)).astype(
        {"rows_trained": "Int64", "above_bulk": "Int64"}
    )
    known = frame["rows_trained"].notna()
    counts = "known" if known.all() else "not known" if not known.any() else "known of some fields"
    frame.attrs["choices"] = {**asdict(factored.settings), "row_counts": counts}
    return frame


_SMALL = 4096
"""The entries of a table up to which heavy-tailed tables of its shape are drawn for comparison."""


def _since(factored: FactoredTables) -> dict[str, int]:
    """Return since when fields have been collapsed, where the run kept it of the rows that entered here."""
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
        # One row of enormous norm makes all others near zero: that says nothing of them, unless they are zero.
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
    # The bulk is scaled to the median, which is none of a table where most directions are rounding noise.
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
    }


def _random(table: FactoredTable, rows: int, settings: AnalysisSettings) -> RandomAbundance:
    """Draw random tables of some rows; a centred table has one less to vary."""
    draws, seed = settings.draws, settings.seed
    if table.weights is None or table.weights.dtype == bool:
        return random_abundance(max(1, rows - settings.centred), table.columns, draws=draws, seed=seed)
    return weighted_random_abundance(table.weights, table.columns, draws=draws, seed=seed)


def _is_rare(ia: float, random: RandomAbundance, D: int, K: int, settings: AnalysisSettings) -> bool:
    """Tell whether random tables of the shape hardly ever have an abundance as low, heavy-tailed ones either."""
    if ia >= random.p01 or adjusted_abundance(ia, random.mean) >= PARTLY_BELOW:
        return ia < random.p01
    # Larger tables do not come as low by chance, whatever their law.
    return max(1, D) * K > _SMALL or ia < heavy_tailed_p01(max(1, D), K, seed=settings.seed)


def _trained_and_all(
    table: FactoredTable, adjusted: float, near: RandomMean, settings: AnalysisSettings
) -> tuple[float, float]:
    """Return the adjusted abundance over trained rows and over all; NaN where one is not known."""
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
