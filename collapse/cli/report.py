"""Diagnoses as text for people, and as JSON, CSV, Markdown and Parquet for programs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collapse.figures.markdown import markdown_table

if TYPE_CHECKING:
    import pandas as pd

    from collapse.analysis.factors import FactoredTables

_HEADINGS = {
    "cardinality": "D",
    "rows_seen": "seen",
    "rows_entered": "entered",
    "near_zero": "near 0",
    "ia": "IA",
    "ia_random": "random",
    "ia_normalised": "IA/random",
    "ia_per_k": "IA/K",
}
_MORE_IS_WORSE = ("near_zero", "first_share", "anisotropy", "noise")
_SHARES = ("near_zero", "first_share")
_COUNTS = ("cardinality", "rows_seen", "rows_entered", "rows_zero")
_TOLD = 8
SHOWN = ("cardinality", "rows_seen", "near_zero", "ia", "ia_random", "ia_normalised")


def as_text(factored: "FactoredTables", fields: "pd.DataFrame", measures: Sequence[str]) -> str:
    """Write a checkpoint's table, the worst field first, with a sentence on the whole and the choices made.

    Parameters
    ----------
    factored : FactoredTables
        The checkpoint.
    fields : pandas.DataFrame
        Its diagnosis.
    measures : sequence of str
        The measures to show in place of the usual ones, the first to sort by; empty for the usual.

    Returns
    -------
    str
        Some lines.
    """
    told = "".join(f"{line}\n" for line in remarks(factored))
    return f"{heading(factored)}\n{told}{_summary(factored, fields)}\n\n{_aligned(_shown(fields, measures))}\n"


def _shown(fields: "pd.DataFrame", measures: Sequence[str]) -> "pd.DataFrame":
    """Return the columns that people read, the worst field first."""
    shown = ("cardinality", *measures) if measures else SHOWN
    return worst_first(fields, measures)[["field", *shown, "verdict"]]


def worst_first(fields: "pd.DataFrame", measures: Sequence[str]) -> "pd.DataFrame":
    """Sort by the first measure, or by how far below random the fields are; what is not judged comes last."""
    import pandas as pd

    by = measures[0] if measures else "ia_normalised"
    order = fields.sort_values(by, kind="stable", ascending=by not in _MORE_IS_WORSE)
    return pd.concat([order[order["degree"] != "not judged"], order[order["degree"] == "not judged"]])


def heading(factored: "FactoredTables") -> str:
    """Name a checkpoint, with what its numbers depend on."""
    tables, choices = factored.tables, factored.choices
    described = ", ".join(f"{key} {value}" for key, value in tables.description.items())
    size = " to ".join(str(each) for each in dict.fromkeys((tables.sizes[0], tables.sizes[-1])))
    shape = f"K = {size}" + (f", {tables.sets} sets side by side" if tables.sets > 1 else "")
    rows = {"all": "all rows", "seen": "rows seen in training", "frequency": "rows weighted by frequency"}
    return (
        f"{tables.source}: {tables.name}, {shape} ({described})\n"
        f"{rows[choices.rows]}, uncentred; random: {choices.draws} draws, seed {choices.seed}; near 0: norm below "
        f"{choices.near_zero:g} of the largest"
    )


def remarks(factored: "FactoredTables") -> list[str]:
    """Tell what a foreign file does not say, what of it was skipped, and which rows hold zeros alone."""
    tables = factored.tables
    lines = [f"note: {note}" for note in tables.notes]
    if tables.skipped:
        rest = f"; and {len(tables.skipped) - _TOLD} more, which --json has" if len(tables.skipped) > _TOLD else ""
        lines.append(f"skipped, as no table: {', '.join(tables.skipped[:_TOLD])}{rest}")
    zero = [
        f"{table.field} ({f'row {of_rows.first_zero}' if of_rows.zero == 1 else f'{of_rows.zero:,} rows'})"
        for table in factored
        if (of_rows := table.of_rows).zero
    ]
    if zero:
        rest = f" and {len(zero) - _TOLD} more" if len(zero) > _TOLD else ""
        lines.append(f"rows of zeros alone, padding or never trained: {', '.join(zero[:_TOLD])}{rest}")
    return lines


def _summary(factored: "FactoredTables", fields: "pd.DataFrame") -> str:
    collapsed = fields[fields["degree"] == "collapsed"].sort_values("ia_normalised", kind="stable")
    count = f"{len(collapsed)} of {len(fields)} fields {'is' if len(collapsed) == 1 else 'are'} collapsed"
    if len(collapsed):
        named = ", ".join(f"{row.field} ({row.ia_normalised:.0%} of random)" for row in collapsed[:3].itertuples())
        count += f": {named}{', ..' if len(collapsed) > 3 else ''}"
    means = f"mean IA {fields['ia'].mean():.2f}, {fields['ia_normalised'].mean():.0%} of random on average"
    return f"{count}; {means}{_next(factored, collapsed)}"


def _next(factored: "FactoredTables", collapsed: "pd.DataFrame") -> str:
    """Say what to look at next."""
    if not len(collapsed):
        return ""
    if factored.choices.rows == "all" and (collapsed["near_zero"] >= 0.5).any():
        return "; see whether --rows seen finds the same, as many rows are near zero"
    if factored.tables.field_maps:
        return "; --figure 3 shows which fields they interact with"
    return "; --figure 1b shows how their singular values fall"


def compared_as_text(comparison: "pd.DataFrame", measures: Sequence[str], here: str, there: str) -> str:
    """Write a comparison, the greatest fall first."""
    first = f"{measures[0]}_difference"
    table = comparison.sort_values(first, kind="stable")
    fell = int((comparison[first] < 0).sum())
    line = (
        f"{here} against {there}: {measures[0]} is lower in {fell} of {len(comparison)} fields, "
        f"and differs by {comparison[first].mean():+.3f} on average"
    )
    return f"{line}\n\n{_aligned(table)}\n"


def _aligned(table: "pd.DataFrame") -> str:
    text = _formatted(table)
    for column in text.columns[text.columns.isin(["field", "verdict"])]:
        text[column] = text[column].str.ljust(text[column].str.len().max())
    lines = text.to_string(index=False, justify="left").splitlines()
    return "\n".join(line.rstrip() for line in lines)


def _formatted(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return the cells as people read them, under short headings."""
    text = table.copy()
    for column in table.columns:
        if column in _COUNTS:
            text[column] = table[column].map("{:,}".format)
        elif column in _SHARES:
            text[column] = table[column].map("{:.0%}".format)
        elif column.endswith("_difference"):
            text[column] = table[column].map("{:+.3f}".format)
        elif table[column].dtype.kind == "f":
            text[column] = table[column].map("{:.2e}".format if column == "noise" else "{:.2f}".format)
        else:
            text[column] = table[column].astype(str)
    compared = [str(column) for column in table if str(column).endswith(("_against", "_difference"))]
    return text.rename(columns=_HEADINGS).rename(columns={name: name.rpartition("_")[2] for name in compared})


def as_markdown(factored: "FactoredTables", fields: "pd.DataFrame", measures: Sequence[str]) -> str:
    """Write the same as a Markdown table."""
    text = _formatted(_shown(fields, measures))
    source, choices = heading(factored).splitlines()
    told = [f"- {line}" for line in remarks(factored)]
    return "\n".join(
        [
            f"**{source}**",
            "",
            f"{_summary(factored, fields)}. {choices}.",
            "",
            *([*told, ""] if told else []),
            markdown_table(text),
            "",
        ]
    )


def as_json(
    factored: "Sequence[FactoredTables]", fields: "pd.DataFrame", comparison: "pd.DataFrame | None"
) -> str:
    """Write all checkpoints as one JSON object, with the choices made."""
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
        "fields": _records(fields),
    }
    if comparison is not None:
        content["against"] = _records(comparison)
    return json.dumps(content, indent=2, allow_nan=False)


def _records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return records


def write_parquet(fields: "pd.DataFrame", path: Path) -> None:
    """Write all checkpoints as one Parquet file, whole or not at all.

    Parameters
    ----------
    fields : pandas.DataFrame
        The diagnoses, the column ``checkpoint`` before them.
    path : Path
        The file.

    Raises
    ------
    CollapseError
        If it cannot be written.
    """
    import polars as pl

    from collapse.files import atomic_write, explained

    columns = {name: fields[name].astype(object).where(fields[name].notna(), None).to_list() for name in fields}
    with explained("write", path), atomic_write(path) as file:
        pl.DataFrame(columns).write_parquet(file)
