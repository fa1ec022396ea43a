"""`collapse report`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collapse.cli.foreign import decomposers, engine_option, foreign_options, jobs_option, reading_words
from collapse.cli.options import CHECKPOINT, centred_option, rows_option, verify_option
from collapse.cli.segments import by_option, segments_of
from collapse.errors import CollapseError
from collapse.files.urls import Url
from collapse.printable import path_text

if TYPE_CHECKING:
    from collapse.analysis.settings import Rows
    from collapse.io.readers.selection import Selection


@click.command(name="report", context_settings={"show_default": True})
@click.argument("checkpoint", type=CHECKPOINT, metavar="CKPT")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the page to this file.  [default: report.html next to the checkpoint]",
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
    checkpoint: Path | Url,
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
    """Write a one-page HTML report on a checkpoint.

    The page is a single file that needs no network. It has a summary, a table of the fields that can be searched
    and sorted, plots of the singular values and of information abundance next to random tables, a heatmap of
    sub-embeddings if the checkpoint has interaction weights (DCNv2, FFM), what was skipped and why, and the
    command that makes the page again. It follows the reader's dark mode and can be printed.

    CKPT is any checkpoint that `collapse analyze` reads.

    \b
    Examples:
      collapse report runs/first/best.pt
      collapse report runs/first/best.pt --by lookups
      collapse report DCNv2_Criteo.model --fields feature_map.json -o criteo.html
    """
    from collapse.analysis.diagnosis import diagnose_factored
    from collapse.analysis.factorised import factorise_readable
    from collapse.analysis.json_report import as_json
    from collapse.analysis.settings import AnalysisSettings
    from collapse.files.atomic import check_can_be_written
    from collapse.io.load import load
    from collapse.paper.report import write_report

    page = (
        out
        or (checkpoint if isinstance(checkpoint, Path) and checkpoint.is_dir() else checkpoint.parent)
        / "report.html"
    )
    check_can_be_written(page)
    settings = AnalysisSettings(rows=rows, centred=centred, layer=layer)
    tables = load(checkpoint, verify=verify, selection=selection)
    with decomposers(engine, jobs, (checkpoint,), selection) as (of_path,):
        factored, bad = factorise_readable(tables, settings, decomposer=of_path)
    fields = diagnose_factored(factored)
    segments = None if by is None else segments_of(factored, by)
    words = ["collapse", "report", path_text(checkpoint), "-o", path_text(page)]
    words += reading_words(selection, settings)
    words += [] if verify else ["--no-verify"]
    words += [] if by is None else ["--by", by]
    json = as_json([factored], fields.assign(checkpoint=tables.source), None, segments)
    write_report(factored, fields, page, command=shlex.join(words), json=json, segments=segments)
    click.echo(f"wrote {page}")
    if bad:
        raise CollapseError("; ".join([*map(str, bad), "the page has the other fields"]))
