"""`collapse data`."""

import json
from typing import TYPE_CHECKING

import click

from collapse.cli.columns import echo_table
from collapse.cli.output import suggest
from collapse.printable import clipped

if TYPE_CHECKING:
    from collapse.training.data.store.prepared import PreparedData


@click.command(name="data")
@click.argument("source", required=False, metavar="[NAME|DIR]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with one row per field.")
@click.option(
    "--verify",
    is_flag=True,
    help="Read all files and compare them with the hash in the manifest. Without this option, a data set that was "
    "checked once is not checked again while its files keep their sizes and times.",
)
def command(source: str | None, *, as_json: bool, as_csv: bool, verify: bool) -> None:
    """List the data sets, or describe a prepared one.

    NAME is a built-in data set, which is prepared on first use. DIR is a folder that `collapse prepare` wrote. The
    output has the columns of the paper's Table 4 (rows, fields, cardinalities), the fraction of positive labels,
    and for each field its cardinality, the fraction of rows that are out of vocabulary, and its most frequent
    values with their frequencies.

    \b
    Examples:
      collapse data
      collapse data flights
      collapse data data/criteo --csv > fields.csv
      collapse data data/criteo --verify
    """
    from collapse.errors import CollapseError
    from collapse.training.data.load import BUILT_IN, load_data
    from collapse.training.data.store.prepared import verify_prepared

    if as_json and as_csv:
        raise CollapseError("--json and --csv both print to standard output: use only one of them")
    if source is None:
        if as_json:
            click.echo(json.dumps(BUILT_IN, indent=2))
            return
        for name, text in BUILT_IN.items():
            click.echo(f"{name:22s} {text}")
        click.echo("\n`collapse prepare --help` shows how to add your own")
        suggest("collapse", "data", next(iter(BUILT_IN)))
        return
    data = load_data(source)
    if verify:
        verify_prepared(data)
    _show(data, as_json=as_json, as_csv=as_csv, verified=verify)
    if not as_json and not as_csv:
        suggest("collapse", "train", "--data", source, "--out", f"runs/{data.path.name}")


def _show(data: "PreparedData", *, as_json: bool, as_csv: bool, verified: bool) -> None:
    import pandas as pd
    import polars as pl

    from collapse.training.data.store.description import fields_table, overview

    summary, fields = overview(data), fields_table(data)
    if as_json:
        content = summary | {"path": str(data.path), "verified": verified, "by_field": fields.to_dicts()}
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    if as_csv:
        # Lists in cells are written as JSON.
        lists = {
            name: [json.dumps(cell.to_list()) for cell in fields[name]] for name in ("most_frequent", "shares")
        }
        click.echo(
            fields.with_columns(**{name: pl.Series(cells) for name, cells in lists.items()}).write_csv(), nl=False
        )
        return
    options = ", ".join(
        f"{key} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in summary["options"].items()
    )
    skipped = f"; {summary['skipped']:,} malformed rows skipped" if summary["skipped"] else ""
    click.echo(
        f"{summary['name']}: {summary['rows']:,} rows, {summary['fields']} fields with cardinalities from "
        f"{summary['min_cardinality']:,} to {summary['max_cardinality']:,}, {summary['sum_cardinality']:,} in "
        "total\n"
        f"{summary['positive']:.1%} positive ({summary['label']}); {options}{skipped}\n"
        f"{data.path}{', verified: every byte is as written' if verified else ''}\n"
    )
    rows = []
    for row in fields.iter_rows(named=True):
        pairs = zip(row["most_frequent"], row["shares"], strict=True)
        values = ", ".join(f"{clipped(value or '(missing)')} {fraction:.1%}" for value, fraction in pairs)
        numbers = (f"{row['cardinality']:,}", f"{row['out_of_vocabulary']:.2%}")
        rows.append((clipped(row["field"]), *numbers, values))
    table = pd.DataFrame(rows, columns=["field", "D", "unknown", "most frequent"])
    echo_table(table, ["unknown"])
