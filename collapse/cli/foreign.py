"""Options of the commands that read other libraries' checkpoints: what the files themselves do not say."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.errors import CollapseError
from collapse.extras import require
from collapse.files.urls import Url

if TYPE_CHECKING:
    from collapse.analysis.factorised import BadTableError, FactoredTables
    from collapse.analysis.settings import AnalysisSettings
    from collapse.analysis.shards import DaskDecomposer
    from collapse.io.readers.row_counts import RowCounts
    from collapse.io.readers.selection import Selection
    from collapse.io.tables import TableSet


_SPLIT = 0
"""Seed of the split whose training rows are counted: the default of `collapse train`."""

engine_option = click.option(
    "--engine",
    metavar="dask[:ADDRESS]",
    help="Measure long tables on a Dask cluster, for example dask:tcp://node1:8786. Without an address, Dask "
    "starts processes on this machine. Every machine must see CKPT under the same path.",
)

jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Measure long tables in this many processes.  [default: threads of one process]",
)


@contextmanager
def decomposers(
    name: str | None, jobs: int | None, paths: Sequence[Path | Url], selection: "Selection"
) -> "Iterator[Sequence[DaskDecomposer | None]]":
    """Start what ``--engine`` asks for.

    Parameters
    ----------
    name : str or None
        ``dask`` or ``dask:ADDRESS``; None measures in this process.
    jobs : int or None
        Number of processes on this machine; None measures with threads.
    paths : sequence of Path or Url
        The checkpoints.
    selection : Selection
        How the checkpoints are read.

    Raises
    ------
    CollapseError
        If the engine is unknown or its cluster does not answer.
    """
    if name is None and jobs is None:
        yield [None] * len(paths)
        return
    if name is not None and jobs is not None:
        raise CollapseError("--engine and --jobs exclude each other")
    here = [path for path in paths if isinstance(path, Path)]
    if len(here) < len(paths):
        raise CollapseError("--engine and --jobs need checkpoints that all processes see under a path, not URLs")
    from collapse.analysis.shards import DaskDecomposer

    if name is None:
        from collapse.analysis.processes import processes

        with processes(jobs or 1) as pool:
            yield [DaskDecomposer(client=pool, path=path, selection=selection) for path in here]
        return
    kind, _, address = name.partition(":")
    if kind != "dask":
        raise CollapseError(f"unknown --engine {kind!r}: use dask or dask:ADDRESS")
    from collapse.dask_client import dask_client

    with dask_client(address or None) as client:
        yield [DaskDecomposer(client=client, path=path, selection=selection) for path in here]


def factorised(
    loaded: "Sequence[TableSet]",
    paths: Sequence[Path | Url],
    settings: "AnalysisSettings",
    *,
    engine: str | None,
    jobs: int | None,
    selection: "Selection",
) -> "tuple[list[FactoredTables], list[BadTableError]]":
    """Measure the tables of checkpoints, where ``--engine`` or ``--jobs`` says.

    Returns
    -------
    list of FactoredTables
        One per checkpoint, with the tables that can be measured.
    list of BadTableError
        The others.
    """
    from collapse.analysis.factorised import factorise_readable

    with decomposers(engine, jobs, paths, selection) as of_paths:
        measured = [
            factorise_readable(tables, settings, decomposer=each)
            for tables, each in zip(loaded, of_paths, strict=True)
        ]
    return [each for each, _ in measured], [error for _, errors in measured for error in errors]


def foreign_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what `Selection` holds: ``--fields``, ``--table``, ``--skip`` and the like."""

    @click.option(
        "--fields",
        "fields_file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="JSON",
        help="Read names and cardinalities of the fields from this file, to split one table that holds them "
        'all: an object {"name": rows, ..}, the schema.json of prepared data, or FuxiCTR\'s feature_map.json.',
    )
    @click.option("--table", metavar="REGEX", help="Take the tensors whose names match as embedding tables.")
    @click.option("--skip", metavar="REGEX", help="Skip the tensors whose names match.")
    @click.option(
        "--id-column",
        metavar="NAME",
        help="Name the column of a Parquet, Arrow, CSV or JSON file that identifies the rows.  [default: columns "
        "that hold no fractions]",
    )
    @click.option(
        "--row-counts",
        "counts",
        type=click.Path(path_type=Path),
        metavar="FILE|DATA",
        help="Read how often training looked up each row, and leave out rows that it never did. A CSV or Parquet "
        "file with the columns field, row and count, an .npz file with one array per field, a .npy file with all "
        "fields one after another, or a prepared data set, whose training rows are counted.",
    )
    @wraps(command)
    def wrapped(
        *args: Any,
        fields_file: Path | None,
        table: str | None,
        skip: str | None,
        counts: Path | None,
        id_column: str | None,
        **kwargs: Any,
    ) -> Any:
        from collapse.io.readers.field_sizes import read_field_sizes
        from collapse.io.readers.selection import Selection

        fields = None if fields_file is None else read_field_sizes(fields_file)
        row_counts = None if counts is None else _row_counts(counts)
        selection = Selection(fields=fields, table=table, skip=skip, row_counts=row_counts, id_column=id_column)
        return command(*args, selection=selection, **kwargs)

    return wrapped


def reading_words(selection: "Selection", settings: "AnalysisSettings") -> list[str]:
    """Return the options that a checkpoint was read with, as words of a command line."""
    words = [] if settings.rows == "trained" else ["--rows", settings.rows]
    words += ["--centred"] if settings.centred else []
    words += ["--layer", str(settings.layer)] if settings.layer else []
    return [*words, *selection.words]


def _row_counts(path: Path) -> "RowCounts":
    from collapse.io.readers.row_counts import RowCounts, read_row_counts

    if path.is_file():
        return read_row_counts(path)
    require("polars", f"--row-counts {path}, a data set,")
    import numpy as np

    from collapse.training.data.load import load_data
    from collapse.training.data.store.row_counts import training_row_counts
    from collapse.training.data.store.split import split_of

    data = load_data(path)
    counted = training_row_counts(data, split_of(data, _SPLIT).train, split_seed=_SPLIT)
    by_field = np.split(counted, data.schema.offsets[1:])
    return RowCounts(source=str(path), by_field=dict(zip(data.schema.fields, by_field, strict=True)))
