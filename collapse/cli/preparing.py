"""Options and the closing summary that the subcommands of `collapse prepare` share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collapse.cli.output import suggest
from collapse.printable import path_text

if TYPE_CHECKING:
    from collapse.training.data.store.prepared import PreparedData


def output_option(*, required: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option ``-o``."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        required=required,
        metavar="DIR",
        help="Write the data set to this folder.",
    )


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace an existing prepared data set.")


def min_count_option(default: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option ``--min-count``."""
    text = "Map values that occur in fewer rows to the out-of-vocabulary row of their field."
    return click.option("--min-count", type=click.IntRange(min=1), default=default, show_default=True, help=text)


_vocabulary = click.option(
    "--vocabulary",
    type=click.Choice(["all", "training"]),
    default="all",
    show_default=True,
    help="Build the vocabulary from all rows, as the paper's code does, or from the training split only, so that "
    "nothing leaks from the test rows.",
)
_split_seed = click.option(
    "--split-seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of the split for --vocabulary training. `collapse train` then accepts only this split.",
)
_skip_bad = click.option(
    "--skip-bad",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Skip up to N malformed rows. The manifest records how many and where.",
)


def raw_file_options(
    min_count: int, *, output: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of every raw file, in the order of their help. With `output`, the output is required."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        threshold = min_count_option(min_count)
        for option in (
            overwrite_option,
            _skip_bad,
            _split_seed,
            _vocabulary,
            threshold,
            output_option(required=output),
        ):
            function = option(function)
        return function

    return add


def tell(data: "PreparedData") -> None:
    """Print what was prepared and skipped, and which fields have a single value."""
    from collapse.training.data.store.description import single_valued

    schema, skipped = data.schema, data.manifest["skipped"]
    click.echo(
        f"{schema.name}: {data.rows:,} rows, {data.labels.mean():.1%} positive ({schema.label})\n"
        f"{len(schema.fields)} fields with cardinalities from {min(schema.cardinalities):,} to "
        f"{max(schema.cardinalities):,}, {schema.rows_total:,} in total"
    )
    for source in data.manifest["sources"]:
        if source.get("byte_order_mark"):
            click.echo(f"{source['name']}: skipped the byte-order mark at the start")
    if unlabelled := skipped["unlabelled"]:
        click.echo(f"skipped {unlabelled:,} rows without a label")
    if rows := skipped["rows"]:
        first = skipped["first"][0]
        place = f"{first['file']}, " + (f"line {first['line']:,}" if "line" in first else f"row {first['row']:,}")
        click.echo(f"skipped {rows:,} malformed row{'s' * (rows > 1)}, the first in {place}: {first['reason']}")
    if single := single_valued(data.vocabulary()):
        click.echo(f"fields with the same value in every row, which no model can use: {', '.join(single)}")
    for field, cells in data.manifest.get("options", {}).get("read_as_whole", {}).items():
        click.echo(f"{field}: {cells:,} cells such as 2.0 are the value 2")
    click.echo(f"wrote {data.path}")
    path = path_text(data.path)
    suggest("collapse", "train", "--data", path, "--out", f"runs/{data.path.name}")
