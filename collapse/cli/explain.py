"""`collapse explain`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.cli.foreign import foreign_options
from collapse.cli.options import CHECKPOINT, centred_option, rows_option, verify_option
from collapse.cli.output import suggest, wrapped
from collapse.files.urls import Url
from collapse.printable import path_text

if TYPE_CHECKING:
    from collapse.analysis.explanation import Explanation
    from collapse.analysis.settings import Rows
    from collapse.io.readers.selection import Selection


@click.command(name="explain", context_settings={"show_default": True})
@click.argument("checkpoint", type=CHECKPOINT, metavar="CKPT")
@click.argument("field")
@click.option("--partners", type=click.IntRange(min=0), default=5, help="Show this many partners; 0 shows all.")
@rows_option
@centred_option
@click.option(
    "--layer", type=click.IntRange(min=0), default=0, help="Use the field maps of this layer for the partners."
)
@click.option(
    "--side",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Test whether a direction follows a column of this CSV or Parquet file, which describes the field's "
    "rows in order, or by a column `row`.",
)
@foreign_options
@verify_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all partners.")
def command(
    checkpoint: Path | Url,
    field: str,
    partners: int,
    rows: "Rows",
    centred: bool,
    layer: int,
    side: Path | None,
    selection: "Selection",
    verify: bool,
    as_json: bool,
) -> None:
    """Explain why a field collapsed and what to do.

    \b
    The output has these parts:
      rows           how many rows training looked up, and how many are zero or near zero
      causes         the adjusted abundance without the mean row, without constant columns, without
                     the direction that follows row counts, and without the first direction
      directions     the energy of the strongest directions, and whether they follow the mean row,
                     row counts or a column of --side
      size           the fewest directions that hold 90, 95 and 99 % of the energy
      partners       IA(E_i^{->j}): how much abundance is left when field i meets field j (DCNv2,
                     FFM). The column "of all" is the mean over all fields i: a partner with a low
                     value affects every field
      since when     the abundance by epoch, if `collapse train` recorded it
      what to do     advice for the cause, in the terms of the checkpoint's library

    \b
    Examples:
      collapse explain runs/first/best.pt tailnum
      collapse explain DCNv2_Criteo.model C16 --json
      collapse explain tables.npz item --row-counts counts.csv --side items.csv
    """
    from collapse.analysis.explain import explain
    from collapse.analysis.explanation import explanation_text
    from collapse.analysis.factorised import factorise_readable
    from collapse.analysis.settings import AnalysisSettings
    from collapse.analysis.side import read_side
    from collapse.io.load import load

    tables = load(checkpoint, verify=verify, selection=selection)
    factored, bad = factorise_readable(tables, AnalysisSettings(rows=rows, centred=centred, layer=layer))
    for error in bad:
        if error.field == field:
            raise error
    found = explain(factored, field, side=None if side is None else read_side(side))
    if as_json:
        click.echo(json.dumps(_plain(found), indent=2, allow_nan=False))
    else:
        click.echo(wrapped(explanation_text(found, partners or len(found.partners))))
        suggest(*_next(checkpoint, tables.settings.get("data"), selection))


def _next(checkpoint: Path | Url, data: str | None, selection: "Selection") -> list[str]:
    """Return the command that measures which sizes the fields need: with the model's data, if they are known."""
    with_data = ["--data", data] if data and isinstance(checkpoint, Path) else []
    return ["collapse", "size", path_text(checkpoint), *with_data, *selection.words]


def _plain(found: "Explanation") -> dict[str, Any]:
    import pandas as pd

    from collapse.analysis.json_report import records

    (diagnosis,) = records(pd.DataFrame([found.diagnosis]))
    return {
        "field": found.field,
        "diagnosis": diagnosis,
        "rank": found.rank,
        "fields": found.fields,
        "sizes": {f"{fraction:g}": size for fraction, size in found.sizes.items()},
        "first_zero": found.first_zero,
        "epoch": found.epoch,
        "warning": found.warning,
        "directions": records(found.directions),
        "partners": records(found.partners),
        "history": records(found.history),
        "advice": list(found.advice),
    }
