"""``collapse figures``: what the runs of a study show."""

from pathlib import Path

import click

from collapse.errors import CollapseError


@click.command(name="figures")
@click.argument("study", type=click.Path(path_type=Path, file_okay=False), metavar="STUDY")
@click.option(
    "--figure", "names", multiple=True, metavar="ITEM", help="Such as 8a or table-1, or all. Repeatable."
)
@click.option("--list", "listed", is_flag=True, help="Show what each item needs and has, and stop.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write.  [default: STUDY/figures]",
)
def command(study: Path, names: tuple[str, ...], listed: bool, output: Path | None) -> None:
    """Draw the paper's figures and write its tables from the runs of a study.

    STUDY is a folder that `collapse sweep` filled. A study that lacks runs gives what it has, and the command that
    makes the rest is named. A figure is written as PNG and PDF, with the numbers behind it as CSV; a table as CSV,
    Markdown and LaTeX, the paper's printed value, ours and the difference side by side.

    \b
    Examples:
      collapse figures runs/smoke --list
      collapse figures runs/smoke --figure 8a --figure table-1
      collapse figures runs/smoke --figure all -o pictures
    """
    from collapse.study.item import item_of
    from collapse.study.recipes import NEED_NO_RUNS, RECIPES

    if listed:
        for name, recipe in RECIPES.items():
            item = item_of(study, name)
            click.echo(f"{name:8s} {item.finished:4d} of {len(item.runs):4d} runs  {recipe.content}")
        return
    if not names:
        raise CollapseError("name an item with --figure, or all: `collapse figures STUDY --list` shows them")
    from collapse.figures.items import made_of
    from collapse.figures.study_table import StudyTable

    every = "all" in names
    folder = output or study / "figures"
    for name in RECIPES if every else dict.fromkeys(names):
        item = item_of(study, name)
        if every and not item.finished and name not in NEED_NO_RUNS:
            click.echo(f"left out {name}: {item.command}")
            continue
        made = made_of(item)
        if isinstance(made, StudyTable):
            click.echo(made.text.to_string(index=False))
        for path in made.save(folder):
            click.echo(f"wrote {path}")
        if missing := len(item.runs) - item.finished:
            click.echo(f"{missing} runs of {name} are missing: {item.command}")
