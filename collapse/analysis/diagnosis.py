"""Which fields collapsed: one row a field."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from collapse.analysis.choices import Choices
from collapse.analysis.dynamics import below_since
from collapse.analysis.factors import FactoredTable, FactoredTables, factorise
from collapse.analysis.measures import dimensions
from collapse.analysis.measures.abundance import abundance_of_spectrum, adjusted_abundance
from collapse.analysis.measures.causes import causes
from collapse.analysis.measures.precision import ABOVE_NOISE, numerical_rank, rounding_noise
from collapse.analysis.measures.random_matrix import RandomAbundance, random_abundance, weighted_random_abundance
from collapse.analysis.verdicts import COLLAPSED_BELOW, Evidence, degree, verdict

COLUMNS = {
    "field": "the field's name",
    "degree": "collapsed, partly collapsed, dominated by one direction, spread out, or not judged",
    "ia_adjusted": "adjusted abundance, (ia - 1) / (ia_random - 1): 0 at rank one, 1 for a random table",
    "ia": "information abundance, sum sigma / max sigma",
    "ia_random": "the same of a random normal matrix of the same shape and row weights, on average",
    "ia_normalised": "ia / ia_random",
    "cardinality": "rows of its table, D",
    "rows_seen": "rows looked up in training",
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
    "adjusted_centred": "adjusted abundance without the mean row",
    "adjusted_without_first": "adjusted abundance without the first direction",
    "adjusted_without_constant": "adjusted abundance without the constant columns",
    "constant_columns": "columns that are the same in all rows",
    "verdict": "the degree with the reason",
}
"""The columns of `diagnose`, those that are read first before the others, with what they hold."""


MEASURES = tuple(name for name in COLUMNS if name not in ("field", "degree", "verdict"))
"""Those of them that are numbers."""


def diagnose(source: Any, *, choices: Choices | None = None) -> pd.DataFrame:
    """Measure how far every field of a checkpoint or model is collapsed.

    Parameters
    ----------
    source : str, Path or object
        The path of a checkpoint, a model (``nn.Module``), a state dict, arrays by name, one array or tensor, an
        ``nn.Embedding``, or what `load` returned.
    choices : Choices, optional
        Which rows enter, and how the random baseline is drawn.

    Returns
    -------
    pandas.DataFrame
        One row a field in the model's order, the columns of `COLUMNS`. The sets of a multi-embedding model are
        side by side. `attrs` holds the choices.

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
    return diagnose_factored(factorise(source, choices))


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
    records = [_record(table, factored.choices, since.get(table.field)) for table in factored]
    frame = pd.DataFrame.from_records(records, columns=list(COLUMNS)).astype(
        {"rows_seen": "Int64", "above_bulk": "Int64"}
    )
    frame.attrs["choices"] = asdict(factored.choices)
    return frame


def _since(factored: FactoredTables) -> dict[str, int]:
    """Return since when fields have been collapsed, where the run kept it of the rows that entered here."""
    tables, epoch = factored.tables, factored.tables.description.get("epoch", "")
    if factored.choices.rows != "all" or not epoch.isdecimal():
        return {}
    return below_since(tables.source, int(epoch), COLLAPSED_BELOW)


def _record(table: FactoredTable, choices: Choices, since: int | None) -> dict[str, Any]:
    D, K = table.rows, table.columns
    sigma = table.spectrum.values
    ia = float(abundance_of_spectrum(sigma))
    random = _random(table, choices)
    first_share = float(dimensions.first_direction_share(sigma))
    adjusted = adjusted_abundance(ia, random.mean)
    of = causes(
        table.spectrum,
        table.of_rows.total / table.spectrum.scale,
        float(D if table.weights is None else table.weights.sum()),
        D,
        seed=choices.seed,
    )
    evidence = Evidence(
        causes=of,
        adjusted=adjusted,
        is_rare=ia < random.p01,
        first_share=first_share,
        rows=D,
        columns=K,
        near_zero=table.of_rows.near_zero,
        is_zero=ia == 0,
        since=since,
    )
    noise = rounding_noise(sigma, D, K, eps=table.eps, spacing=table.spacing)
    # The bulk is scaled to the median, which is none of a table where most directions are rounding noise.
    has_bulk = len(sigma) > 0 and float(np.median(sigma)) > ABOVE_NOISE * noise
    return {
        "field": table.field,
        "cardinality": table.cardinality,
        "rows_seen": table.rows_seen,
        "rows_entered": D,
        "rows_zero": table.of_rows.zero,
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
            f"k{percent}": int(dimensions.directions_for_energy(sigma, share=percent / 100))
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
        "degree": str(degree(evidence)),
        "verdict": verdict(evidence),
    }


def _random(table: FactoredTable, choices: Choices) -> RandomAbundance:
    draws, seed = choices.draws, choices.seed
    if table.weights is None or choices.rows == "seen":
        return random_abundance(table.rows, table.columns, draws=draws, seed=seed)
    return weighted_random_abundance(table.weights, table.columns, draws=draws, seed=seed)
