"""What the commands below ``collapse prepare`` share: their options, and what they tell at the end."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collapse.training.data.store.prepared import PreparedData

output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The folder to write."
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace a prepared data set that is there.")


def min_count_option(default: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option of the threshold below which values share the out-of-vocabulary row."""
    text = "Values of a field seen in fewer rows share one row of its table."
    return click.option("--min-count", type=click.IntRange(min=1), default=default, show_default=True, help=text)


_vocabulary = click.option(
    "--vocabulary",
    type=click.Choice(["all", "training"]),
    default="all",
    show_default=True,
    help="Rows whose values are known: all, as in the paper's code, or those of the training split alone, so that "
    "nothing of the test leaks.",
)
_split_seed = click.option(
    "--split-seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="The split of --vocabulary training; `collapse train` then takes this one and no other.",
)
_skip_bad = click.option(
    "--skip-bad",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Leave out up to N malformed rows; the manifest tells how many, and where.",
)


def raw_file_options(min_count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add what every raw file is prepared with, in the order of their help."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        threshold = min_count_option(min_count)
        for option in (overwrite_option, _skip_bad, _split_seed, _vocabulary, threshold, output_option):
            function = option(function)
        return function

    return add


def tell(data: "PreparedData") -> None:
    """Say what was prepared, what was left out, and which fields tell a model nothing."""
    from collapse.training.data.store.description import single_valued

    schema, skipped = data.schema, data.manifest["skipped"]
    click.echo(
        f"{schema.name}: {data.rows:,} rows, {data.labels.mean():.1%} positive ({schema.label})\n"
        f"{len(schema.fields)} fields, {schema.rows_total:,} table rows in all, from "
        f"{min(schema.cardinalities):,} to {max(schema.cardinalities):,} a field"
    )
    for source in data.manifest["sources"]:
        if source.get("byte_order_mark"):
            click.echo(f"{source['name']}: a byte-order mark at its start was left out")
    if unlabelled := skipped["unlabelled"]:
        click.echo(f"{unlabelled:,} rows without a label left out")
    if rows := skipped["rows"]:
        first = skipped["first"][0]
        place = f"{first['file']}, " + (f"line {first['line']:,}" if "line" in first else f"row {first['row']:,}")
        click.echo(f"{rows:,} malformed row{'s' * (rows > 1)} skipped, the first in {place}: {first['reason']}")
    if single := single_valued(data.vocabulary()):
        click.echo(f"one value in all rows, which tells a model nothing: {', '.join(single)}")
    click.echo(f"written to {data.path}")
