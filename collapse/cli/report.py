"""`collapse report`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collapse.cli.foreign import decomposers, engine_option, foreign_options, reading_words
from collapse.cli.options import centred_option, rows_option, verify_option
from collapse.errors import CollapseError
from collapse.printable import path_text

if TYPE_CHECKING:
    from collapse.analysis.settings import Rows
    from collapse.io.readers.selection import Selection


@click.command(name="report", context_settings={"show_default": True})
@click.argument("checkpoint", type=click.Path(path_type=Path), metavar="CKPT")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page to write; by default report.html beside the checkpoint.",
)
@rows_option
@centred_option
@click.option("--layer", type=click.IntRange(min=0), default=0, help="Layer of the heatmap of sub-embeddings.")
@foreign_options
@verify_option
@engine_option
def command(
    checkpoint: Path,
    out: Path | None,
    rows: "Rows",
    centred: bool,
    layer: int,
    selection: "Selection",
    verify: bool,
    engine: str | None,
) -> None:
    """Write one page about a checkpoint, to be sent to others: which fields collapsed, how far, and what was read.

    The page is a single file that opens without a network: a sentence that says how bad it is, a table of the
    fields that can be searched and sorted, vector pictures of their singular values and of their information
    abundance against random, the heatmap of sub-embeddings where the checkpoint has interaction weights (DCNv2,
    FFM), what was skipped and why, and how to make it again. It follows the reader's dark mode, and prints.

    CKPT is whatever `collapse analyze` takes.

    \b
    Examples:
      collapse report runs/first/best.pt
      collapse report DCNv2_Criteo.model --fields feature_map.json -o criteo.html
    """
    from collapse.analysis.diagnosis import diagnose_factored
    from collapse.analysis.factorised import factorise_readable
    from collapse.analysis.json_report import as_json
    from collapse.analysis.settings import AnalysisSettings
    from collapse.files.atomic import check_can_be_written
    from collapse.io.load import load
    from collapse.paper.report import write_report

    page = out or (checkpoint if checkpoint.is_dir() else checkpoint.parent) / "report.html"
    check_can_be_written(page)
    settings = AnalysisSettings(rows=rows, centred=centred, layer=layer)
    tables = load(checkpoint, verify=verify, selection=selection)
    with decomposers(engine, (checkpoint,), selection) as (of_path,):
        factored, bad = factorise_readable(tables, settings, decomposer=of_path)
    fields = diagnose_factored(factored)
    words = ["collapse", "report", path_text(checkpoint), "-o", path_text(page)]
    words += reading_words(selection, settings)
    words += [] if verify else ["--no-verify"]
    json = as_json([factored], fields.assign(checkpoint=tables.source), None)
    click.echo(f"wrote {write_report(factored, fields, page, command=shlex.join(words), json=json)}")
    if bad:
        raise CollapseError("; ".join([*map(str, bad), "the other fields are on the page"]))
