"""`collapse report`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collapse.cli.foreign import engine_option, factorised, foreign_options, jobs_option, reading_words
from collapse.cli.options import CHECKPOINT, centred_option, check_distinct, rows_option, verify_option
from collapse.cli.output import suggest
from collapse.cli.segments import by_option, segments_of
from collapse.errors import CollapseError
from collapse.files.urls import Url
from collapse.printable import path_text

if TYPE_CHECKING:
    from collapse.analysis.settings import Rows
    from collapse.io.readers.selection import Selection


@click.command(name="report", context_settings={"show_default": True})
@click.argument("checkpoints", nargs=-1, required=True, type=CHECKPOINT, metavar="CKPT...")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the page to this file.  [default: report.html next to the last checkpoint]",
)
@rows_option
@centred_option
@click.option(
    "--layer",
    type=click.IntRange(min=0),
    default=0,
    help="Use the field maps of this layer for the heatmap of sub-embeddings.",
)
@by_option
@foreign_options
@verify_option
@engine_option
@jobs_option
def command(
    checkpoints: tuple[Path | Url, ...],
    out: Path | None,
    rows: "Rows",
    centred: bool,
    layer: int,
    by: str | None,
    selection: "Selection",
    verify: bool,
    engine: str | None,
    jobs: int | None,
) -> None:
    """Write an HTML report on checkpoints.

    The page is a single file that needs no network. It has the verdict, what to do about each cause, a table of
    the fields that can be searched, filtered, sorted and downloaded, the singular values, information abundance
    next to random tables, a heatmap of sub-embeddings if the checkpoint has interaction weights (DCNv2, FFM), what
    was skipped and why, and the command that makes the page again. It follows the reader's dark mode and can be
    printed.

    Several checkpoints of a model, the earliest first, are compared: the page describes the last one, how every
    field changed since the first, and how far its table moved.

    CKPT is any checkpoint that `collapse analyze` reads.

    \b
    Examples:
      collapse report runs/first/best.pt
      collapse report monday.pt tuesday.pt wednesday.pt -o week.html
      collapse report runs/first/best.pt --by lookups
      collapse report DCNv2_Criteo.model --fields feature_map.json -o criteo.html
    """
    from collapse.analysis.diagnosis import diagnose_factored
    from collapse.analysis.settings import AnalysisSettings
    from collapse.analysis.words import next_command
    from collapse.figures.report.page import Report
    from collapse.files.atomic import check_can_be_written
    from collapse.io.load import load

    last = checkpoints[-1]
    page = out or (last if isinstance(last, Path) and last.is_dir() else last.parent) / "report.html"
    check_can_be_written(page)
    check_distinct(checkpoints)
    settings = AnalysisSettings(rows=rows, centred=centred, layer=layer)
    loaded = [load(path, verify=verify, selection=selection) for path in checkpoints]
    factored, bad = factorised(loaded, checkpoints, settings, engine=engine, jobs=jobs, selection=selection)
    words = ["collapse", "report", *map(path_text, checkpoints), "-o", path_text(page)]
    words += reading_words(selection, settings)
    words += [] if verify else ["--no-verify"]
    words += [] if by is None else ["--by", by]
    report = Report(
        checkpoints=tuple(factored),
        frames=tuple(diagnose_factored(each) for each in factored),
        segments=None if by is None else segments_of(factored[-1], by),
        command=shlex.join(words),
    )
    report.save(page)
    click.echo(f"wrote {page}")
    words = reading_words(selection, settings)
    suggest(*next_command(factored[-1], report.fields, words, otherwise="analyze"))
    if bad:
        raise CollapseError("; ".join([*map(str, bad), "the page has the other fields"]))
