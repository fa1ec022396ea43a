"""`collapse figures`."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collapse.cli.columns import echo_table
from collapse.cli.options import text_model_option
from collapse.cli.output import suggest
from collapse.errors import CollapseError
from collapse.printable import one_line, path_text, printable

if TYPE_CHECKING:
    from collapse.paper.item import PaperStudy
    from collapse.paper.own_items import OwnItem
    from collapse.paper.render import Rendered


@click.command(name="figures")
@click.argument("study", type=click.Path(path_type=Path, file_okay=False), metavar="STUDY")
@click.option(
    "--figure",
    "names",
    multiple=True,
    metavar="ITEM",
    help="Draw this item, for example 8a or table-1, or all. Repeatable.",
)
@click.option("--list", "listed", is_flag=True, help="List the items with their finished runs, then stop.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write to this folder.  [default: STUDY/figures]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the figures that this file describes, in tables [[figures]], instead of those of the study's grid.",
)
@text_model_option
def command(
    study: Path,
    names: tuple[str, ...],
    *,
    listed: bool,
    output: Path | None,
    config: Path | None,
    text_model: Path | None,
) -> None:
    """Draw figures and tables from a study.

    STUDY is a folder with runs: of `collapse sweep`, `collapse reproduce`, or several of `collapse train`. Items
    of the paper are found by what the runs are. If runs are missing, the figures show the runs that are finished,
    and the command that trains the others is printed. Figures are written as PNG and PDF, with their numbers as
    CSV. Tables are written as CSV, Markdown and LaTeX, and show the paper's printed value, ours and the
    difference. With `--figure all`, the page index.html shows everything, and the exit code is 1 if an item could
    not be made.

    A grid's file may describe figures of your own (see `collapse sweep --help`); they are items too.

    \b
    Examples:
      collapse figures runs/smoke --list
      collapse figures runs/smoke --figure 8a --figure table-1
      collapse figures runs/smoke --figure all -o pictures
      collapse figures runs/mine --figure auc-by-rate
    """
    from collapse.paper.catalogue import catalogue
    from collapse.paper.item import PaperStudy
    from collapse.paper.own_items import own_items

    of_paper = PaperStudy(study)
    own = own_items(study, config)
    if listed:
        for name, entry in catalogue().items():
            item = of_paper.item(name)
            click.echo(f"{name:8s} {item.finished:4d} of {len(item.runs):4d} runs  {entry.shows}")
        for name, drawn in own.items():
            click.echo(f"{name:8s} {drawn.finished:4d} of {drawn.finished:4d} runs  {drawn.figure.content}")
        suggest("collapse", "figures", path_text(study), "--figure", "all")
        return
    if not names:
        raise CollapseError(
            "--figure is missing: `collapse figures STUDY --list` lists the items, and all draws them all"
        )
    folder = output or study / "figures"
    if "all" in names:
        made = write(of_paper, [*own, *of_paper.items], folder, text_model=text_model, own=own)
        suggest("collapse", "findings", path_text(study))
        if any(each.error for each in made):
            sys.exit(1)
        return
    for each in write(of_paper, dict.fromkeys(names), folder, text_model=text_model, own=own, page=False):
        if each.error:
            raise each.error
        each.item.with_finished_runs()
    suggest("collapse", "figures", path_text(study), "--figure", "all")


def write(
    study: "PaperStudy",
    names: Iterable[str],
    folder: Path,
    *,
    text_model: Path | None,
    own: "Mapping[str, OwnItem] | None" = None,
    page: bool = True,
    show_tables: bool = True,
) -> "list[Rendered]":
    """Write items of a study, print each file, and write the page if `page` is set."""
    from collapse.figures.study_table import StudyTable
    from collapse.paper.page import write_page
    from collapse.paper.render import render

    found = []
    for each in render(study, names, folder, text_model=text_model, own=own):
        found.append(each)
        if show_tables and isinstance(each.made, StudyTable):
            echo_table(each.made.text.map(one_line))
        for path in each.paths:
            click.echo(f"wrote {path}")
        if each.error and page:
            click.echo(printable(f"{each.item.name} could not be made: {each.error}"), err=True)
        elif each.item.lacks_data and page:
            click.echo(f"skipped {each.item.name}: it shows a second data set, and the study has only one")
        elif each.made is None and page:
            click.echo(f"skipped {each.item.name}: {each.item.command}")
        elif each.missing:
            click.echo(f"{each.missing} runs of {each.item.name} are missing: {each.item.command}")
    if page:
        click.echo(f"wrote {write_page(found, folder, study.profile)}")
    return found
