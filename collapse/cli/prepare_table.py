"""`collapse prepare table`."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.cli.columns import echo_table
from collapse.cli.preparing import raw_file_options, tell
from collapse.errors import CollapseError, shortened
from collapse.printable import clipped

if TYPE_CHECKING:
    from collapse.training.data.sources.table.plan import TablePlan

    _Names_ = click.ParamType[tuple[str, ...]]
else:
    _Names_ = click.ParamType  # not generic before click 8.4


class _Names(_Names_):
    """Names separated by commas; a name that contains a comma is quoted as in CSV."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:  # noqa: ARG002
        if isinstance(value, tuple):
            return value
        try:
            return tuple(name.strip() for name in next(csv.reader([value], skipinitialspace=True), []))
        except csv.Error as error:
            raise CollapseError(
                f"cannot read column names from {shortened(value)}: quote names that contain a line break"
            ) from error


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--label",
    required=True,
    metavar="COLUMN",
    help="Take the label from this column, or from a comparison 'COLUMN > NUMBER'.",
)
@click.option("--positive", metavar="VALUE", help="Treat this value of the label column as 1.  [default: 1, true]")
@click.option(
    "--categorical", type=_Names(), metavar="A,B", default=(), help="Treat these columns as categorical."
)
@click.option(
    "--numeric",
    type=_Names(),
    metavar="C,D",
    default=(),
    help="Treat these columns as numbers and put them into bins.",
)
@click.option(
    "--dates",
    type=_Names(),
    metavar="G,H",
    default=(),
    help="Make fields of the hour, the weekday and the month of these columns: ISO dates, timestamps, or seconds "
    "since 1970. --drop G_month leaves a field out.",
)
@click.option("--drop", type=_Names(), metavar="E,F", default=(), help="Leave out these columns.")
@click.option(
    "--bins",
    default="quantile:32",
    show_default=True,
    metavar="RULE",
    help="Bin numbers by quantile:N (N bins of about equal size), log2 (powers of two) or width:W.",
)
@click.option(
    "--missing",
    type=_Names(),
    metavar="TEXT,..",
    default=(),
    help="Treat these cells as missing, as well as empty ones.",
)
@click.option(
    "--split",
    metavar="time:COLUMN",
    help="Split rows in the order of this column, a date or a number: the last 10 % are for testing, and the 10 % "
    "before them for validation.  [default: at random, by the seed of the run]",
)
@click.option("--skip-unlabelled", is_flag=True, help="Skip rows without a label.")
@click.option(
    "--separator",
    metavar="CHAR",
    help="Separate columns by this character, or by tab, comma, semicolon, pipe or space.  [default: from the "
    "file's name]",
)
@click.option(
    "--no-header", is_flag=True, help="Read the first row as data; the columns are named column_1, column_2, ..."
)
@click.option(
    "--columns", type=_Names(), metavar="A,B,..", default=(), help="Name the columns of files without a header."
)
@click.option(
    "--encoding", metavar="NAME", help="Encoding of the text, such as latin-1 or utf-16.  [default: utf-8]"
)
@click.option("--no-quotes", is_flag=True, help="Treat quotation marks as ordinary characters.")
@click.option("--name", metavar="NAME", help="Name the data set.  [default: the name of the first file]")
@click.option("--dry-run", is_flag=True, help="Show how each column is read, then stop.")
@raw_file_options(2, output=False)
def table(files: tuple[Path, ...], output: Path | None, vocabulary: str, split_seed: int, **options: Any) -> None:
    """Prepare your own CSV, TSV or Parquet files.

    FILE... are CSV or TSV files, optionally compressed (.gz), or Parquet files. Several files with the same
    columns are read as one table, in the given order. Every column except the label becomes a field. Use
    --categorical and --numeric to say how columns are read. For the others, the first 10,000 rows decide: a column
    is numeric if all its cells are numbers and at least one has a fractional part. The decisions are printed
    before the work begins; --dry-run stops there.

    The label is a column of 0 and 1 (or false and true), one value of a column (--positive), or a comparison.

    \b
    A shop's log in two files, with numeric price and age and a useless row_id:
      collapse prepare table log-1.csv.gz log-2.csv.gz --label bought --numeric price,age --drop row_id -o shop
      collapse train --data shop --out runs/shop
      collapse analyze runs/shop/best.pt

    \b
    Flights as Parquet: the label is a delay of more than 15 minutes, and cancelled flights have none:
      collapse prepare table flights.parquet --label 'delay > 15' --skip-unlabelled --bins log2 -o late
      collapse train --data late --model dnn --out runs/late
      collapse analyze runs/late/best.pt

    \b
    A log with dates, tested on its last tenth:
      collapse prepare table log.parquet --label click --dates time --split time:time -o log

    Spaces around cells are removed. In a column of whole numbers, 2.0 is the value 2, because ids next to missing
    cells are often written so. The bin of a number is a value of the field like any other, and so is a
    missing cell. A field with only one value is refused, because no model can use it.
    """
    from collapse.training.data.sources.table.bins import parse_bins
    from collapse.training.data.sources.table.plan import TableSettings, plan_table
    from collapse.training.data.sources.table.prepare import prepare_table
    from collapse.training.data.text.delimited_file import Reading

    reading = Reading(
        separator=options.pop("separator"),
        columns=options.pop("columns"),
        header=not options.pop("no_header"),
        quotes=not options.pop("no_quotes"),
        encoding=options.pop("encoding"),
    )
    known = (
        "label",
        "positive",
        "categorical",
        "numeric",
        "dates",
        "drop",
        "split",
        "missing",
        "skip_unlabelled",
    )
    settings = TableSettings(
        bins=parse_bins(options.pop("bins")), reading=reading, **{name: options.pop(name) for name in known}
    )
    plan = plan_table(files, settings)
    _print_plan(plan)
    if options.pop("dry_run"):
        click.echo("next: the same command with -o DIR instead of --dry-run")
        return
    if output is None:
        raise CollapseError("-o is missing: pass the folder of the data set, or --dry-run to stop here")
    split = split_seed if vocabulary == "training" else None
    tell(prepare_table(plan, output, vocabulary_split=split, **options))


def _print_plan(plan: "TablePlan") -> None:
    import pandas as pd

    from collapse.training.data.sources.table.dates import part_names

    rows = f"the first {plan.rows_looked_at:,} rows of {plan.files[0].path}"
    click.echo(f"{len(plan.columns)} columns, read from {rows}; the label is 1 where {plan.label}\n")
    shown = []
    for column in plan.columns:
        always_new = column.role == "categorical" and column.distinct == plan.rows_looked_at > 1
        hint = "  (different in every row: --drop?)" if always_new else ""
        parts = f"  (fields: {', '.join(part_names(column.name, column.parts))})" if column.parts else ""
        values = ", ".join(map(clipped, column.examples)) + hint + parts
        shown.append((clipped(column.name), column.role, column.why, f"{column.distinct:,}", values))
    table = pd.DataFrame(shown, columns=["column", "read as", "reason", "values", "most frequent"])
    echo_table(table, ["values"])
    click.echo()
