"""`collapse reproduce`."""

import sys
from pathlib import Path
from typing import Any

import click

from collapse.cli.options import text_model_option
from collapse.cli.output import suggest
from collapse.cli.studies import chosen_profile, study_options, train_missing
from collapse.printable import path_text


@click.command(name="reproduce")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the study in this folder.  [default: runs/PROFILE]",
)
@text_model_option
@study_options
@click.option("--dry-run", is_flag=True, help="List the runs and what they need, then stop.")
def command(**options: Any) -> None:
    """Redo every figure and table of the paper.

    This is `collapse sweep all` followed by `collapse figures STUDY --figure all`. Finished runs are not trained
    again, and interrupted runs continue. The result is the page figures/index.html in the study's folder.

    \b
    Examples:
      collapse reproduce
      collapse reproduce --profile small
      collapse reproduce --profile paper --dry-run --on 8xh100
      collapse reproduce --profile paper --data data/criteo --data data/avazu --device cuda
    """
    from collapse.cli.figures import write
    from collapse.paper.catalogue import runs_of
    from collapse.paper.item import PaperStudy
    from collapse.study.sweep import plan

    profile = chosen_profile(options)
    out = options["out"] or Path("runs") / profile.name
    dry_run = options["dry_run"]
    runs = plan(runs_of(["all"], profile), out, opens=not dry_run)
    whole = train_missing(runs, out, profile, options, dry_run=dry_run)
    if dry_run:
        return
    study = PaperStudy(out)
    made = write(study, study.items, out / "figures", text_model=options["text_model"], show_tables=False)
    suggest("collapse", "findings", path_text(out))
    if not whole or any(each.error for each in made):
        sys.exit(1)
