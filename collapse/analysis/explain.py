"""Explanation of a field: rows, causes, directions, partners, history and the size that it fills."""

import numpy as np
import pandas as pd

from collapse.analysis.advice import advice
from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.dynamics import history
from collapse.analysis.explanation import Explanation
from collapse.analysis.factorised import FactoredTables
from collapse.analysis.side import directions
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.analysis.words import model_warning
from collapse.errors import CollapseError
from collapse.measures.dimensions import directions_for_energy

FRACTIONS = (0.9, 0.95, 0.99)
"""Fractions of the energy for which sizes are given."""


def explain(factored: FactoredTables, field: str, *, side: pd.DataFrame | None = None) -> Explanation:
    """Explain the state of a field.

    Parameters
    ----------
    factored : FactoredTables
        The checkpoint. Its settings choose the layer of the field maps.
    field : str
        Name of the field.
    side : pandas.DataFrame, optional
        A description of the table's rows, as `collapse.analysis.side.read_side` reads it.

    Raises
    ------
    CollapseError
        If the field does not exist, the run's history cannot be read, or the side table has other rows.
    """
    tables = factored.tables
    if field not in tables.fields:
        near = [name for name in tables.fields if field.lower() in name.lower()]
        there = ", ".join((near or tables.fields)[:8])
        raise CollapseError(f"{tables.source} has no field {field!r}: its fields are {there}")
    number = tables.fields.index(field)
    frame = diagnose_factored(factored)
    order = frame["ia_adjusted"].rank(method="min", na_option="bottom")
    table = factored.measured[number]
    diagnosis = {str(name): value for name, value in frame.iloc[number].items()}
    sigma = table.spectrum.values
    sizes = {fraction: int(directions_for_energy(sigma, fraction=fraction)) for fraction in FRACTIONS}
    partners = _partners(factored, field, frame)
    return Explanation(
        field=field,
        diagnosis=diagnosis,
        columns=table.columns,
        directions=directions(table, tables.tables[number], side=side, centred=factored.settings.centred),
        advice=tuple(advice(diagnosis, tables, columns=table.columns, partners=partners)),
        warning=model_warning(tables),
        rank=int(order.iloc[number]),
        fields=len(frame),
        sizes=sizes,
        first_zero=table.of_rows.first_zero,
        partners=partners,
        epoch=int(epoch) if (epoch := tables.description.get("epoch", "")).isdecimal() else None,
        history=_history(factored, field),
    )


def _partners(factored: FactoredTables, field: str, frame: pd.DataFrame) -> pd.DataFrame:
    columns = ["field", "ia", "left", "of_all", "ia_normalised"]
    if not factored.tables.layer(factored.settings.layer):
        return pd.DataFrame(columns=columns)
    pairs = sub_embedding_abundance(factored, layer=factored.settings.layer)
    pairs = pairs.assign(left=pairs["ia"] / pairs["ia_source"].replace(0, np.nan)).dropna(subset=["left"])
    of_all = pairs.groupby("target")["left"].mean()
    own = frame.set_index("field")["ia_normalised"]
    found = pairs[(pairs["source"] == field) & (pairs["target"] != field)].rename(columns={"target": "field"})
    found = found.drop(columns=["source"]).assign(
        of_all=found["field"].map(of_all), ia_normalised=found["field"].map(own)
    )
    return found.sort_values("left", kind="stable", ignore_index=True)[columns]


def _history(factored: FactoredTables, field: str) -> pd.DataFrame:
    columns = ["epoch", "step", "ia", "ia_normalised"]
    kept = history(factored.tables.source)
    if kept.empty:
        return pd.DataFrame(columns=columns)
    return kept.loc[kept["field"] == field, columns].reset_index(drop=True)
