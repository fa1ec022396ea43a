"""Diagnoses as plain values and as JSON, for programs."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from collapse.analysis.factorised import FactoredTables


def as_json(
    factored: Sequence[FactoredTables],
    fields: pd.DataFrame,
    comparison: pd.DataFrame | None,
    segments: pd.DataFrame | None = None,
    *,
    changes: pd.DataFrame | None = None,
    indent: int | None = 2,
) -> str:
    """Format all checkpoints as one JSON object, with the settings."""
    content: dict[str, Any] = {
        "checkpoints": [
            {
                "checkpoint": tables.tables.source,
                "model": tables.tables.name,
                "sets": tables.tables.sets,
                "embedding_sizes": list(tables.tables.sizes),
                "skipped": list(tables.tables.skipped),
                "notes": list(tables.tables.notes),
                "taken": {table.field: list(table.keys) for table in tables.tables if table.keys},
                **tables.tables.description,
            }
            for tables in factored
        ],
        "choices": fields.attrs["choices"],
        "fields": records(fields),
    }
    if comparison is not None:
        content["against"] = records(comparison)
    if changes is not None:
        content["changes"] = records(changes)
    if segments is not None:
        content["segments"] = records(segments)
    return json.dumps(content, indent=indent, allow_nan=False)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as plain values for JSON."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return rows
