"""`collapse clean`."""

import json
from pathlib import Path

import click

from collapse.cli.output import suggest
from collapse.printable import one_line, path_text


@click.command(name="clean")
@click.argument("study", type=click.Path(path_type=Path), metavar="STUDY")
@click.option("--delete", "deletes", is_flag=True, help="Delete the files that are listed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(study: Path, *, deletes: bool, as_json: bool) -> None:
    """Free disk space that a study does not need.

    Lists last.pt of finished runs, which only resuming needs, parts of files that killed processes left, and the
    logs of Slurm jobs once all runs are finished. Nothing is deleted without --delete, and nothing of a run in
    progress. Checkpoints of the best epochs, results and figures stay.

    \b
    Examples:
      collapse clean runs/small
      collapse clean runs/small --delete
    """
    from collapse.study.cleaning import delete, unneeded

    files = unneeded(study)
    total = sum(each.bytes for each in files)
    if as_json:
        listed = [{"path": path_text(each.path), "bytes": each.bytes, "why": each.why} for each in files]
        click.echo(json.dumps({"files": listed, "bytes": total, "deleted": deletes}, indent=2))
    else:
        for why in dict.fromkeys(each.why for each in files):
            of_kind = [each for each in files if each.why == why]
            click.echo(f"{len(of_kind):6,} files {_mb(sum(each.bytes for each in of_kind))}  {why}")
            for each in sorted(of_kind, key=lambda each: -each.bytes)[:_SHOWN]:
                click.echo(f"             {_mb(each.bytes)}  {one_line(path_text(each.path))}")
            if len(of_kind) > _SHOWN:
                click.echo(f"                            and {len(of_kind) - _SHOWN:,} more")
    if deletes:
        delete(files)
    if not as_json:
        what = "freed" if deletes else "can be freed"
        click.echo(f"{_mb(total).strip()} {what}")
        path = path_text(study)
        suggest(
            "collapse", *(("clean", path, "--delete") if files and not deletes else ("figures", path, "--list"))
        )


_SHOWN = 5
"""Files of each kind that are listed."""


def _mb(size: int) -> str:
    return f"{size / 1e6:9,.1f} MB"
