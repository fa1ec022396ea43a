"""``collapse prepare table``: a table of a user's own."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.cli.preparing import raw_file_options, tell
from collapse.errors import CollapseError, shortened
from collapse.printable import clipped

if TYPE_CHECKING:
    from collapse.training.data.sources.table.plan import TablePlan

    _Names_ = click.ParamType[tuple[str, ...]]
else:
    _Names_ = click.ParamType  # not generic before click 8.4


class _Names(_Names_):
    """Names separated by commas; one that holds a comma is quoted as in CSV."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:  # noqa: ARG002
        if isinstance(value, tuple):
            return value
        try:
            return tuple(name.strip() for name in next(csv.reader([value], skipinitialspace=True), []))
        except csv.Error as error:
            raise CollapseError(
                f"{shortened(value)} does not name columns: a name with a line end must be quoted"
            ) from error


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--label", required=True, metavar="COLUMN", help="The column of the label, or 'COLUMN > NUMBER'.")
@click.option(
    "--positive", metavar="VALUE", help="The value of the label's column that means 1.  [default: 1, true]"
)
@click.option("--categorical", type=_Names(), metavar="A,B", default=(), help="Columns that are categorical.")
@click.option(
    "--numeric", type=_Names(), metavar="C,D", default=(), help="Columns of numbers, to be put into bins."
)
@click.option("--drop", type=_Names(), metavar="E,F", default=(), help="Columns to leave out.")
@click.option(
    "--bins",
    default="quantile:32",
    show_default=True,
    metavar="RULE",
    help="Bins of numbers: quantile:N (as equal in rows as can be), log2 (between powers of two) or width:W.",
)
@click.option(
    "--missing", type=_Names(), metavar="TEXT,..", default=(), help="Cells that mean missing, beside empty ones."
)
@click.option("--skip-unlabelled", is_flag=True, help="Leave out rows whose label is missing.")
@click.option("--separator", metavar="CHAR", help="What separates columns.  [default: by the file's name]")
@click.option(
    "--no-header", is_flag=True, help="The first row is data: columns are called column_1, column_2, ..."
)
@click.option(
    "--columns", type=_Names(), metavar="A,B,..", default=(), help="Names for the columns, without a header."
)
@click.option("--no-quotes", is_flag=True, help="A quotation mark is a character like any other.")
@click.option("--name", metavar="NAME", help="The data set's name.  [default: the first file's]")
@click.option("--dry-run", is_flag=True, help="Show what the columns are taken for, and stop.")
@raw_file_options(2)
def table(files: tuple[Path, ...], output: Path, vocabulary: str, split_seed: int, **options: Any) -> None:
    """Prepare a table of your own.

    FILE... are CSV or TSV files, also with .gz behind, or Parquet; several are one table, in their order, and have
    the same columns. Every column but the label becomes a field. Say which are --categorical and which --numeric;
    of the others the first 10,000 rows decide: a column is numeric if all its cells are numbers and one has a
    fraction, else categorical. What was decided is shown before work begins; --dry-run stops there.

    The label is a column of 0 and 1 (or false and true), one value of a column (--positive), or a threshold.

    \b
    A shop's log in two files, whose price and age are numbers and whose row_id tells nothing:
      collapse prepare table log-1.csv.gz log-2.csv.gz --label bought --numeric price,age --drop row_id -o shop
      collapse train --data shop --out runs/shop
      collapse analyze runs/shop/best.pt

    \b
    Flights as Parquet: late is more than 15 minutes; those whose delay is missing never flew and are left out:
      collapse prepare table flights.parquet --label 'delay > 15' --skip-unlabelled --bins log2 -o late
      collapse train --data late --model dnn --out runs/late
      collapse analyze runs/late/best.pt

    Spaces about a cell are taken away. A number's bin is a value like any other, and so is a missing cell. A field
    with one value is refused: it tells a model nothing.
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
    )
    known = ("label", "positive", "categorical", "numeric", "drop", "missing", "skip_unlabelled")
    settings = TableSettings(
        bins=parse_bins(options.pop("bins")), reading=reading, **{name: options.pop(name) for name in known}
    )
    plan = plan_table(files, settings)
    _tell_plan(plan)
    if options.pop("dry_run"):
        return
    split = split_seed if vocabulary == "training" else None
    tell(prepare_table(plan, output, vocabulary_split=split, **options))


def _tell_plan(plan: "TablePlan") -> None:
    names = [clipped(column.name) for column in plan.columns]
    width = max(map(len, names))
    rows = f"the first {plan.rows_looked_at:,} rows of {plan.files[0].path}"
    click.echo(f"{len(plan.columns)} columns, looked at in {rows}; the label is 1 where {plan.label}\n")
    click.echo(f"{'column':{width}s} {'taken for':12s} {'why':22s} {'values':>7s}  most frequent")
    for name, column in zip(names, plan.columns, strict=True):
        always_new = column.role == "categorical" and column.distinct == plan.rows_looked_at > 1
        hint = "  (another in every row: --drop?)" if always_new else ""
        values = ", ".join(map(clipped, column.examples)) + hint
        click.echo(f"{name:{width}s} {column.role:12s} {column.why:22s} {column.distinct:>7,}  {values}")
    click.echo()
