"""``collapse figures``: what the runs of a study show."""

from pathlib import Path

import click

from collapse.errors import CollapseError


@click.command(name="figures")
@click.argument("study", type=click.Path(path_type=Path, file_okay=False), metavar="STUDY")
@click.option("--figure", "names", multiple=True, metavar="ITEM", help="Such as table-1. Repeatable.")
@click.option("--list", "listed", is_flag=True, help="Show what each item needs and has, and stop.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write.  [default: STUDY/figures]",
)
def command(study: Path, names: tuple[str, ...], listed: bool, output: Path | None) -> None:
    """Write the tables that many runs make.

    STUDY is a folder that `collapse sweep` filled. A study that lacks runs gives what it has, and names the
    command that makes the rest. The paper's printed value, ours and the difference stand side by side.

    \b
    Examples:
      collapse figures runs/smoke --list
      collapse figures runs/smoke --figure table-1 --figure table-3
    """
    from collapse.study.item import PRINTED, item_of
    from collapse.study.recipes import RECIPES

    if listed:
        for name, recipe in RECIPES.items():
            item = item_of(study, name)
            click.echo(f"{name:8s} {item.finished:4d} of {len(item.runs):4d} runs  {recipe.content}")
        return
    unknown = [name for name in names if name not in PRINTED]
    if unknown or not names:
        what = f"{unknown[0]!r} is none of these" if unknown else "name an item with --figure"
        raise CollapseError(f"{what}: {', '.join(PRINTED)}")
    from collapse.figures.auc_tables import auc_table, save_auc_table
    from collapse.files import explained

    items = [item_of(study, name) for name in names]
    for item in items:
        if not item.finished:
            raise CollapseError(f"{study} has no finished run of {item.name}: {item.command}")
    folder = output or study / "figures"
    with explained("write", folder):
        folder.mkdir(parents=True, exist_ok=True)
    for item in items:
        click.echo(auc_table(item).to_string(index=False))
        for path in save_auc_table(item, folder):
            click.echo(f"wrote {path}")
        if item.finished < len(item.runs):
            click.echo(f"{len(item.runs) - item.finished} runs are missing: {item.command}")
