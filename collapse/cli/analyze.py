"""`collapse analyze`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collapse.cli.conditions import fail, failures, tell
from collapse.cli.foreign import engine_option, factorised, foreign_options, jobs_option, reading_words
from collapse.cli.options import (
    CHECKPOINT,
    centred_option,
    check_distinct,
    rows_option,
    text_model_option,
    verify_option,
)
from collapse.cli.output import suggest
from collapse.cli.segments import by_option, segments_of
from collapse.errors import CollapseError
from collapse.extras import require
from collapse.figures.markdown import markdown_table
from collapse.files.csv_cells import csv_text
from collapse.files.urls import Url
from collapse.printable import path_text

if TYPE_CHECKING:
    from collapse.analysis.settings import Rows
    from collapse.figures.display import Display
    from collapse.io.readers.selection import Selection


@click.command(name="analyze", context_settings={"show_default": True})
@click.argument("checkpoints", nargs=-1, required=True, type=CHECKPOINT, metavar="CKPT...")
@click.option(
    "--figure",
    "figures",
    multiple=True,
    metavar="N",
    help="Draw this figure of the paper (listed above). Repeatable.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the figures to this folder.  [default: the folder of the first checkpoint]",
)
@rows_option
@centred_option
@click.option(
    "--layer", type=click.IntRange(min=0), default=0, help="Use the field maps of this layer in Figures 3 and 10b."
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="NAME",
    help="Show this measure instead of the usual ones; the table is sorted by the first. Repeatable.",
)
@click.option(
    "--against",
    type=CHECKPOINT,
    metavar="CKPT",
    help="Compare the first checkpoint with this earlier one, field by field: measures, and how far the tables "
    "have "
    "moved (drift).",
)
@click.option(
    "--ids",
    "ids",
    type=click.Path(path_type=Path, dir_okay=False),
    nargs=2,
    metavar="NEW OLD",
    help="With --against, match rows by value: two CSV or Parquet files with the columns field, row and id, for "
    "the "
    "first checkpoint and the earlier one.  [default: row n is matched with row n]",
)
@click.option(
    "--moved",
    type=click.FloatRange(min=0),
    default=0.1,
    metavar="X",
    help="With --against, count rows that moved by more than X times their norm.",
)
@by_option
@click.option(
    "--paper-table",
    type=click.Choice(["2"]),
    help="Also print the checkpoints as a row of this table of the paper: mean IA by size.",
)
@text_model_option
@foreign_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON with every measure and the settings.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as Markdown.")
@click.option(
    "--parquet", type=click.Path(path_type=Path, dir_okay=False), help="Write the table to this Parquet file."
)
@click.option(
    "--fail-if",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="Exit with code 1 if any field meets this condition, for example 'ia_normalised < 0.3 and k99 < 5'. "
    "Repeatable.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="JSON",
    help="Compare with an earlier --json report and fail only on regressions: fields that did not meet --fail-if "
    "in that report. Without --fail-if, fail on fields that have collapsed further, on new fields that have "
    "collapsed, and on missing fields. Conditions may use MEASURE_before and MEASURE_change.",
)
@click.option(
    "--allow-missing",
    metavar="REGEX",
    help="With --baseline, do not fail on missing fields whose names match.",
)
@verify_option
@engine_option
@jobs_option
@click.option("--verbose", is_flag=True, help="List all tensors of the file that were skipped, with the reasons.")
@click.option("--timing", is_flag=True, help="Print timings to standard error.")
def command(
    checkpoints: tuple[Path | Url, ...],
    figures: tuple[str, ...],
    out: Path | None,
    rows: "Rows",
    centred: bool,
    layer: int,
    measures: tuple[str, ...],
    against: Path | Url | None,
    ids: tuple[Path, Path] | None,
    moved: float,
    by: str | None,
    paper_table: str | None,
    text_model: Path | None,
    selection: "Selection",
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
    parquet: Path | None,
    conditions: tuple[str, ...],
    baseline: Path | None,
    allow_missing: str | None,
    verify: bool,
    engine: str | None,
    jobs: int | None,
    verbose: bool,
    timing: bool,
) -> None:
    """Show which fields of a checkpoint have collapsed.

    \b
    The columns of the table:
      D          cardinality: the rows of the field's embedding table
      trained    rows that training looked up, if known (see --row-counts)
      near 0     fraction of rows with almost no norm (weight decay shrinks rare rows)
      IA         information abundance: sum of the singular values / the largest
      random     mean IA of random normal matrices of the same shape
      IA/random  the ratio of the two
      adjusted   (IA - 1) / (random - 1): 0 for a table of rank one, 1 for a random one
      verdict    spread out, partly collapsed, collapsed or dominated by one direction, and why

    \b
    Other measures, for --measure and --fail-if:
      ia_adjusted, and its value without one possible cause: adjusted_centred,
      adjusted_without_first, adjusted_without_constant, adjusted_without_popularity,
      adjusted_without_near_zero, adjusted_trained, adjusted_all; constant_columns, cosine_mean,
      cosine_counts, cosine_log_counts, ia_per_k, effective_rank, stable_rank,
      participation_ratio, first_share, k90, k95, k99, above_bulk, rank, noise, anisotropy

    \b
    Drift since the checkpoint of --against, also for --fail-if:
      drift_overlap           mean cos^2 of the principal angles between the leading left singular
                              vectors (90 % of the energy), 1 if nothing changed; columns may be rotated
      drift_overlap_random    the same for unrelated tables
      drift_overlap_columns   the same for the right singular vectors
      drift_residue           |A Q - B| / |B| of the best rotation Q (orthogonal Procrustes)
      drift_distance          |A - B| / |B| without a rotation
      drift_moved             fraction of rows that moved by more than --moved times their norm
      drift_norm_change, drift_popularity_change, drift_rows, drift_directions

    \b
    Figures:
      1b           singular values of every field
      2            IA of every field, with random tables of the same shape
      3, 3a to 3c  IA of the sub-embeddings (DCNv2, FFM); 14 is the same for an FFM
      4            the toy experiment
      5a, 6a, 8b   IA of every field, one checkpoint next to another
      9, 16        sums of the sub-embeddings' IA; heatmaps with marginal bars
      10a, 10d     diversity of the sets; 10b shows their interaction patterns
      11           singular values next to those of a text model's token table
      15           IA / K by K
      drift        how far the tables have moved since the checkpoint of --against

    CKPT is a checkpoint of `collapse train`, a file or folder of another library, or a URL such as
    s3://bucket/model.safetensors. `collapse formats` lists what is read: PyTorch, TensorFlow, Keras, word vectors,
    columns of vectors and more. If the library is not recognised, a heuristic looks for the tables: matrices whose
    names suggest embeddings. The output lists what was skipped and why. No code in a file is ever run.

    The sets of a multi-embedding model are measured side by side, as one wide table. Figures are written as PNG
    and PDF, with their numbers as CSV.

    \b
    Examples:
      collapse analyze runs/first/best.pt
      collapse analyze runs/first/best.pt --figure 2 --figure 3
      collapse analyze runs/base/best.pt runs/se4/best.pt --figure 1b --out pictures
      collapse analyze runs/me4/best.pt --against runs/se4/best.pt
      collapse analyze runs/first/best.pt --by lookups
      collapse analyze today.pt --against yesterday.pt --fail-if "drift_residue > 0.3"
      collapse analyze runs/first/best.pt --json > fields.json
      collapse analyze tables.safetensors
      collapse analyze DCN.model --figure 3 --fields feature_map.json
      collapse analyze other.pt --table "_emb$" --skip "^item_bias"
      collapse analyze new.pt --fail-if "ia_normalised < 0.3"
      collapse analyze new.pt --baseline fields.json --fail-if "ia_normalised_change < -0.05"
    """
    stopwatch = Stopwatch()
    import pandas as pd

    from collapse.analysis import json_report
    from collapse.analysis.diagnosis import all_measures, diagnose_factored
    from collapse.analysis.drift import drift_table
    from collapse.analysis.factorised import factorise
    from collapse.analysis.settings import AnalysisSettings
    from collapse.analysis.several import abundance_by_size, compare, labels
    from collapse.analysis.words import next_command
    from collapse.cli import terminal
    from collapse.files.atomic import check_can_be_written
    from collapse.io.load import load
    from collapse.io.readers.row_ids import read_row_ids

    forms = [name for name, asked in (("json", as_json), ("csv", as_csv), ("markdown", as_markdown)) if asked]
    if len(forms) > 1:
        raise CollapseError(f"--{forms[0]} and --{forms[1]} both print to standard output: use only one of them")
    form = forms[0] if forms else "text"
    known = all_measures() if measures else ()
    for measure in measures:
        if measure not in known:
            raise CollapseError(f"unknown --measure {measure!r}: the measures are {', '.join(known)}")
    if against is None and ("drift" in figures or ids):
        raise CollapseError(f"{'--ids' if ids else '--figure drift'} needs --against, an earlier checkpoint")
    if not moved >= 0:
        raise CollapseError(f"--moved must be at least 0, got {moved:g}")
    kinds = []
    if set(figures) - {"drift"}:
        from collapse.paper.making import display_of

        kinds = [display_of(number) for number in figures if number != "drift"]
    if parquet:
        require("polars", "--parquet")
        check_can_be_written(parquet)
    settings = AnalysisSettings(rows=rows, centred=centred, layer=layer)
    stopwatch.lap("start-up")
    paths = (*checkpoints, *([against] if against else []))
    check_distinct(paths)
    loaded = [load(path, verify=verify, selection=selection) for path in paths]
    stopwatch.lap("reading")
    factored, bad = factorised(loaded, paths, settings, engine=engine, jobs=jobs, selection=selection)
    stopwatch.lap("spectra")
    frames = [diagnose_factored(each) for each in factored]
    compared = measures or ("ia_normalised", "ia")
    comparison = drifts = None
    if against:
        comparison = compare(frames[0], frames[-1], compared)
        drifts = drift_table(
            factored[0],
            factored[-1],
            (frames[0], frames[-1]),
            ids=(read_row_ids(ids[0]), read_row_ids(ids[1])) if ids else None,
            moved=moved,
        )
        frames[0] = frames[0].merge(drifts, on="field", how="left").set_axis(frames[0].index)
        frames[0].attrs = frames[-1].attrs
        del factored[-1], frames[-1]
    stopwatch.lap("measures and random baseline")
    # Compute every figure before printing anything. With several figures, report those that failed at the end.
    texts = []
    if any(kind.needs_text_model for kind in kinds):
        from collapse.io.readers.token_table import read_token_table

        texts.append(factorise(read_token_table(text_model), settings))
    displays: list[Display] = []
    refused = []
    if "drift" in figures and drifts is not None:
        from collapse.figures.drift import DriftDisplay

        here, there = labels([loaded[0], loaded[-1]])
        displays.append(DriftDisplay(drifts.assign(label=here, against=there, beyond=moved)))
    for kind in kinds:
        try:
            displays.append(kind.from_checkpoints([*factored, *texts] if kind.needs_text_model else factored))
        except CollapseError as error:
            if len(figures) == 1:
                raise
            refused.append(f"figure {kind.number} could not be drawn: {error}")
    parts = None if by is None else segments_of(factored[0], by, several=len(factored) > 1)
    hits = failures(frames, conditions, baseline, allow_missing)
    diagnosed = pd.concat({each.tables.source: frame for each, frame in zip(factored, frames, strict=True)})
    diagnosed = diagnosed.reset_index(level=0, names="checkpoint")
    diagnosed.attrs = frames[0].attrs
    if form == "json":
        click.echo(json_report.as_json(factored, diagnosed, comparison, parts))
    elif form == "csv":
        shown = diagnosed if comparison is None or drifts is None else comparison.merge(drifts, on="field")
        shown = shown if parts is None else parts
        click.echo(csv_text(shown), nl=False)
    else:
        words = reading_words(selection, settings)
        for number, (each, frame) in enumerate(zip(factored, frames, strict=True)):
            if form == "markdown":
                click.echo(terminal.as_markdown(each, frame, measures, words, verbose=verbose))
                continue
            if number:
                click.echo()
            terminal.show(each, frame, measures, verbose=verbose)
        if parts is not None:
            terminal.show_segments(parts)
        if paper_table is not None:
            click.echo(markdown_table(abundance_by_size(factored).round(2)))
        if comparison is not None and drifts is not None:
            here, there = str(checkpoints[0]), str(against)
            terminal.show_comparison(comparison, compared, here, there)
            terminal.show_drift(drifts, here, there)
    if parquet:
        terminal.write_parquet(diagnosed, parquet)
        click.echo(f"wrote {parquet}", err=form != "text")
    stopwatch.lap("printing")
    for display in displays:
        for path in display.save(out or checkpoints[0].parent):
            click.echo(f"wrote {path}", err=form != "text")
    stopwatch.lap("figures")
    if form == "text":
        one = len(factored) == 1 and against is None
        suggest(
            *(
                next_command(factored[0], frames[0], words)
                if one
                else ["collapse", "report", *map(path_text, paths)]
            )
        )
    if timing:
        click.echo(stopwatch.text(), err=True)
    if refused or bad:
        tell(hits)
        hint = ["the other fields were measured; --skip leaves a table out"] if bad else []
        raise CollapseError("; ".join([*map(str, bad), *hint, *refused]))
    fail(hits)


class Stopwatch:
    """Wall-clock times of the stages of a command."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """End a stage."""
        now = time.perf_counter()
        self._laps[name] = now - self._last
        self._last = now

    def text(self) -> str:
        """Return one line per stage, and the total."""
        laps = {**self._laps, "total": self._last - self._start}
        return "\n".join(f"{name:30s} {seconds:8.3f} s" for name, seconds in laps.items())
