"""Diagnoses as text for people, and as JSON, CSV, Markdown and Parquet for programs."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collapse.analysis.words import heading, model_warning, next_command, remarks, summary, worst_first
from collapse.cli.columns import echo_table
from collapse.cli.output import wrapped
from collapse.figures.markdown import markdown_table
from collapse.printable import shown_name

if TYPE_CHECKING:
    import pandas as pd

    from collapse.analysis.factorised import FactoredTables

_HEADINGS = {
    "cardinality": "D",
    "rows_trained": "trained",
    "rows_entered": "entered",
    "near_zero": "near 0",
    "ia": "IA",
    "ia_random": "random",
    "ia_normalised": "IA/random",
    "ia_adjusted": "adjusted",
    "ia_per_k": "IA/K",
}
_FRACTIONS = ("near_zero", "first_share")
_COUNTS = ("cardinality", "rows_trained", "rows_entered", "rows_zero")
SHOWN = ("cardinality", "rows_trained", "near_zero", "ia", "ia_random", "ia_normalised", "ia_adjusted")


_DROPPED = ("near_zero", "rows_trained", "ia_random", "cardinality", "ia_normalised", "ia")
"""Columns that are left out on a narrow terminal, the first one first."""


def show(
    factored: "FactoredTables",
    fields: "pd.DataFrame",
    measures: Sequence[str],
    *,
    verbose: bool = False,
) -> None:
    """Print the verdict, the table with the worst field first, and what was read.

    Parameters
    ----------
    factored : FactoredTables
        The checkpoint.
    fields : pandas.DataFrame
        Its diagnosis.
    measures : sequence of str
        The measures to show and to sort by (the first); empty for the usual ones.
    verbose : bool
        List all tensors that were skipped.
    """
    source, settings = heading(factored)
    click.echo(wrapped("\n".join([*_verdict(factored, fields), source, ""])))
    drop = ["cardinality"] if measures else _DROPPED
    table = _formatted(_shown(fields, measures))
    echo_table(table, [_HEADINGS.get(name, name) for name in drop])
    click.echo()
    for line in (settings, *remarks(factored, verbose=verbose)):
        click.echo(wrapped(line))


def _shown(fields: "pd.DataFrame", measures: Sequence[str]) -> "pd.DataFrame":
    """Return the columns to show, the worst field first."""
    usual = [name for name in SHOWN if fields[name].notna().any()]
    shown = ("cardinality", *measures) if measures else usual
    return worst_first(fields, measures)[["field", *shown, "verdict"]]


def show_comparison(comparison: "pd.DataFrame", measures: Sequence[str], here: str, there: str) -> None:
    """Print a comparison, the largest decrease first."""
    first = f"{measures[0]}_difference"
    table = comparison.sort_values(first, kind="stable")
    fell = int((comparison[first] < 0).sum())
    line = (
        f"{here} compared with {there}: {measures[0]} is lower in {fell} of {len(comparison)} fields; "
        f"the mean difference is {comparison[first].mean():+.3f}"
    )
    for path, key in ((here, "only"), (there, "only_against")):
        if names := comparison.attrs[key]:
            line += f"\nonly in {path}: {', '.join(names)}"
    click.echo(f"\n{wrapped(line)}\n")
    echo_table(_formatted(table), ["against"])


def show_segments(segments: "pd.DataFrame") -> None:
    """Print the segments of every field, and how much of the rows and lookups is in collapsed ones."""
    from collapse.analysis.segments import affected

    rows, lookups = affected(segments)
    line = f"{rows:.0%} of the rows are in collapsed or partly collapsed segments"
    line += f", and {lookups:.0%} of the lookups" if lookups == lookups else ""
    text = segments[["field", "segment", "rows"]].assign(rows=segments["rows"].map("{:,}".format))
    if segments["lookups"].notna().any():
        text["lookups"] = segments["lookups"].map("{:.0%}".format).where(segments["lookups"].notna(), "")
    shown = _formatted(segments[["near_zero", "ia", "ia_normalised", "ia_adjusted"]])
    text = text.join(shown).assign(segment=segments["segment"].map(shown_name), verdict=segments["verdict"])
    click.echo(f"\n{line}\n")
    echo_table(text, ["near 0", "IA/random", "IA", "lookups"])


def show_drift(drifts: "pd.DataFrame", here: str, there: str) -> None:
    """Print how far the tables have moved, the field that moved most first."""
    shown = {
        "field": "field", "drift_rows": "rows", "drift_directions": "k", "drift_overlap": "overlap",
        "drift_overlap_random": "random", "drift_overlap_columns": "columns", "drift_residue": "residue",
        "drift_distance": "distance", "drift_moved": "moved", "drift_norm_change": "norm",
        "drift_popularity_change": "popularity",
    }  # fmt: skip
    table = drifts.sort_values("drift_residue", ascending=False, kind="stable")
    text = table[list(shown)].copy()
    text["drift_rows"] = table["drift_rows"].map("{:,}".format)
    for name in ("drift_norm_change", "drift_popularity_change"):
        text[name] = table[name].map("{:+.3f}".format).where(table[name].notna(), "")
    text["drift_moved"] = table["drift_moved"].map("{:.0%}".format).where(table["drift_moved"].notna(), "")
    median = drifts["drift_residue"].median()
    line = f"drift from {there} to {here}: the median residue of the best rotation is {median:.3f}"
    notes = f"\n{drifts.attrs['notes']}" if "notes" in drifts.attrs else ""
    click.echo(f"\n{wrapped(line + notes)}\n")
    dropped = ["k", "random", "popularity", "columns", "distance", "norm", "rows", "moved"]
    echo_table(_formatted(text.rename(columns=shown)), dropped)


def _formatted(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return the cells as text, under short headings."""
    text = table.copy()
    for column in table.columns:
        if column in _COUNTS:
            text[column] = table[column].map("{:,}".format).where(table[column].notna(), "")
        elif column in _FRACTIONS:
            text[column] = table[column].map("{:.0%}".format)
        elif column.endswith("_difference"):
            text[column] = table[column].map("{:+.3f}".format)
        elif table[column].dtype.kind == "f":
            form = "{:.2e}" if column == "noise" else "{:.2f}"
            text[column] = table[column].map(form.format).where(table[column].notna(), "")
        else:
            text[column] = table[column].astype(str).where(table[column].notna(), "")
    if "field" in text:
        text["field"] = text["field"].map(shown_name)
    compared = [str(column) for column in table if str(column).endswith(("_against", "_difference"))]
    return text.rename(columns=_HEADINGS).rename(columns={name: name.rpartition("_")[2] for name in compared})


def _verdict(factored: "FactoredTables", fields: "pd.DataFrame") -> list[str]:
    """Return the verdict, and a warning about the model."""
    warning = model_warning(factored.tables)
    return [summary(fields), *([f"note: {warning}"] if warning else [])]


def as_markdown(
    factored: "FactoredTables",
    fields: "pd.DataFrame",
    measures: Sequence[str],
    words: Sequence[str] = (),
    *,
    verbose: bool = False,
) -> str:
    """Format the same as a Markdown table."""
    text = _formatted(_shown(fields, measures))
    source, settings = heading(factored)
    notes = [f"- {line}" for line in (settings, *remarks(factored, verbose=verbose))]
    following = shlex.join(next_command(factored, fields, words))
    return "\n".join(
        [
            *(f"{line}.\n" for line in _verdict(factored, fields)),
            f"**{source}**",
            "",
            markdown_table(text),
            "",
            *notes,
            "",
            f"Next: `{following}`",
            "",
        ]
    )


def write_parquet(fields: "pd.DataFrame", path: Path) -> None:
    """Write all diagnoses to one Parquet file. A failure leaves no partial file.

    Parameters
    ----------
    fields : pandas.DataFrame
        The diagnoses, with ``checkpoint`` as the first column.
    path : Path
        The file to write.

    Raises
    ------
    CollapseError
        If the file cannot be written.
    """
    import polars as pl

    from collapse.files.atomic import atomic_write
    from collapse.files.opening import explain_os_errors

    columns = {name: fields[name].astype(object).where(fields[name].notna(), None).to_list() for name in fields}
    with explain_os_errors("write", path), atomic_write(path) as file:
        pl.DataFrame(columns).write_parquet(file)
