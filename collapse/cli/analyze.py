"""`collapse analyze`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

    from collapse.analysis.choices import Rows
    from collapse.analysis.factors import FactoredTables

_HEADINGS = {
    "field": "field",
    "cardinality": "D",
    "rows_seen": "seen",
    "near_zero": "near 0",
    "ia": "IA",
    "ia_random": "random",
    "ia_normalised": "IA/random",
    "k99": "k99",
    "verdict": "verdict",
}


@click.command(name="analyze", context_settings={"show_default": True})
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CKPT...")
@click.option(
    "--figure", "figures", multiple=True, metavar="N", help="Draw figure 1b, 2 or 3 of the paper; repeatable."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the figures; by default that of the first checkpoint.",
)
@click.option(
    "--rows",
    type=click.Choice(["all", "seen", "frequency"]),
    default="all",
    help="Rows that enter a spectrum: all, those looked up in training, or all weighted by how often they were.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON, with the choices made.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV.")
def command(
    checkpoints: tuple[Path, ...],
    figures: tuple[str, ...],
    out: Path | None,
    rows: "Rows",
    as_json: bool,
    as_csv: bool,
) -> None:
    """Say which fields of a checkpoint collapsed, and draw the paper's figures from it.

    \b
    The columns of the table:
      D          cardinality: rows of the field's embedding table
      seen       rows looked up in training
      near 0     share of rows with almost no norm (weight decay shrinks rare rows)
      IA         information abundance: sum of singular values / the largest
      random     IA of a random normal matrix of the same shape, on average
      IA/random  how much of that is left: the lower, the more collapsed
      k99        directions that hold 99 % of the energy

    The sets of a multi-embedding model are measured side by side. A figure is written as PNG and PDF, with the
    numbers behind it as CSV beside them.

    \b
    Examples:
      collapse analyze runs/first/best.pt
      collapse analyze runs/first/best.pt --figure 2 --figure 3
      collapse analyze runs/base/best.pt runs/se4/best.pt --figure 1b --out pictures
      collapse analyze runs/first/best.pt --json > fields.json
    """
    from collapse.analysis.choices import Choices
    from collapse.analysis.factors import factorise
    from collapse.analysis.readers import load
    from collapse.errors import CollapseError

    if as_json and as_csv:
        raise CollapseError("--json and --csv both print to standard output: choose one")
    kinds = []
    if figures:
        from collapse.figures.registry import display_of

        kinds = [display_of(number) for number in figures]
    choices = Choices(rows=rows)
    factored = [factorise(load(path), choices) for path in checkpoints]
    displays = [kind.from_checkpoints(factored) for kind in kinds]
    _print_tables(factored, as_json=as_json, as_csv=as_csv)
    for display in displays:
        for path in display.save(out or checkpoints[0].parent):
            click.echo(f"wrote {path}", err=as_json or as_csv)


def _print_tables(factored: "list[FactoredTables]", *, as_json: bool, as_csv: bool) -> None:
    import pandas as pd

    from collapse.analysis.diagnosis import diagnose_factored

    frames = {tables.tables.source: diagnose_factored(tables) for tables in factored}
    if as_json:
        click.echo(json.dumps(_as_json(factored, frames), indent=2, allow_nan=False))
    elif as_csv:
        joined = pd.concat(frames, names=["checkpoint"]).reset_index("checkpoint")
        click.echo(joined.to_csv(index=False, lineterminator="\n"), nl=False)
    else:
        for tables, frame in zip(factored, frames.values(), strict=True):
            click.echo(_as_text(tables, frame))


def _as_json(factored: "list[FactoredTables]", frames: "dict[str, pd.DataFrame]") -> dict[str, Any]:
    return {
        "checkpoints": [
            {
                "checkpoint": tables.tables.source,
                "model": tables.tables.name,
                "sets": tables.tables.sets,
                "embedding_sizes": list(tables.tables.sizes),
                **tables.tables.description,
            }
            for tables in factored
        ],
        "choices": next(iter(frames.values())).attrs["choices"],
        "fields": [
            {"checkpoint": source, **record}
            for source, frame in frames.items()
            for record in json.loads(frame.to_json(orient="records", double_precision=15))
        ],
    }


def _as_text(factored: "FactoredTables", frame: "pd.DataFrame") -> str:
    tables = factored.tables
    worst = frame.sort_values("ia_normalised", kind="stable")
    described = ", ".join(f"{key} {value}" for key, value in tables.description.items())
    size = " to ".join(str(each) for each in dict.fromkeys((tables.sizes[0], tables.sizes[-1])))
    shape = f"K = {size}" + (f", {tables.sets} sets side by side" if tables.sets > 1 else "")
    text = worst[list(_HEADINGS)].rename(columns=_HEADINGS)
    for column in ("field", "verdict"):
        text[column] = text[column].str.ljust(text[column].str.len().max())
    formatters = {
        "D": "{:,}".format,
        "seen": "{:,}".format,
        "near 0": "{:.0%}".format,
        "IA": "{:.2f}".format,
        "random": "{:.2f}".format,
        "IA/random": "{:.2f}".format,
    }
    collapsed = int((frame["degree"] == "collapsed").sum())
    summary = (
        f"{collapsed} of {len(frame)} fields are collapsed; mean IA {frame['ia'].mean():.2f}, "
        f"{frame['ia_normalised'].mean():.0%} of random on average; {factored.choices.rows} rows entered; "
        "the worst first"
    )
    lines = "\n".join(
        line.rstrip() for line in text.to_string(index=False, formatters=formatters, justify="left").splitlines()
    )
    return f"{tables.source}: {tables.name}, {shape} ({described})\n{summary}\n\n{lines}\n"
