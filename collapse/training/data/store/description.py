"""Description of a prepared data set: its row of the paper's Table 4, and one row per field."""

from typing import Any

import polars as pl

from collapse.training.data.store.prepared import PreparedData


def overview(data: PreparedData) -> dict[str, Any]:
    """Return the data set's row of Table 4 and the options it was prepared with.

    Returns
    -------
    dict
        ``name``, ``rows``, ``fields``, ``sum_cardinality``, ``max_cardinality``, ``min_cardinality``, ``positive``
        (fraction of labels that are 1), ``label`` (meaning of label 1), ``options``, ``skipped`` (number of
        skipped malformed rows) and ``data_hash``.
    """
    D = data.schema.cardinalities
    return {
        "name": data.schema.name,
        "rows": data.rows,
        "fields": len(D),
        "sum_cardinality": sum(D),
        "max_cardinality": max(D),
        "min_cardinality": min(D),
        "positive": float(data.labels.mean()),
        "label": data.schema.label,
        "options": dict(data.manifest.get("options", {})),
        "skipped": data.manifest.get("skipped", {}).get("rows", 0),
        "data_hash": data.data_hash,
    }


def fields_table(data: PreparedData, *, most_frequent: int = 3) -> pl.DataFrame:
    """Describe every field.

    Parameters
    ----------
    data : PreparedData
        The data set.
    most_frequent : int
        Number of values to list per field.

    Returns
    -------
    pl.DataFrame
        One row per field: ``field``, ``description``, ``cardinality``, ``out_of_vocabulary`` (fraction of rows
        that are out of vocabulary), ``most_frequent`` (list of values as text) and ``shares`` (list of their
        fractions of all rows).

    Raises
    ------
    CollapseError
        If the vocabulary cannot be read.
    """
    fraction = pl.col("count") / data.rows
    known = pl.col("id") > 0
    top = pl.col("count").filter(known).top_k(most_frequent)
    described = (
        data.vocabulary()
        .group_by("field", maintain_order=True)
        .agg(
            pl.len().alias("cardinality"),
            fraction.filter(~known).first().alias("out_of_vocabulary"),
            pl.col("value").filter(known).top_k_by(pl.col("count").filter(known), most_frequent),
            (top.sort(descending=True) / data.rows).alias("shares"),
        )
        .rename({"value": "most_frequent"})
    )
    texts = pl.DataFrame({"field": data.schema.fields, "description": data.schema.descriptions})
    columns = ["field", "description", "cardinality", "out_of_vocabulary", "most_frequent", "shares"]
    return texts.join(described, on="field", how="left", maintain_order="left").select(columns)


def single_valued(vocabulary: pl.DataFrame) -> list[str]:
    """Return the fields with the same id in all rows.

    Returns
    -------
    list of str
        Names of the fields, in order.
    """
    seen = vocabulary.group_by("field", maintain_order=True).agg((pl.col("count") > 0).sum().alias("seen"))
    return seen.filter(pl.col("seen") < 2)["field"].to_list()
