"""``collapse findings``: the paper's claims, checked on the runs of a study."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collapse.study.findings.claim import Finding


@click.command(name="findings")
@click.argument("study", type=click.Path(path_type=Path, file_okay=False), metavar="STUDY")
@click.option("--json", "how", flag_value="json", help="A list of findings, every number unrounded.")
@click.option("--markdown", "how", flag_value="markdown", help="A table.")
def command(study: Path, how: str | None) -> None:
    """Check the paper's claims on the runs of a study: the effect of each, its interval, and what that says.

    STUDY is a folder that `collapse sweep` or `collapse reproduce` filled. An interval is a 95 % bootstrap over
    the initialisations and, where an effect is of fields or models, over these. A claim holds if the whole
    interval lies where the claim puts the effect, does not hold if none of it does; otherwise, and with one
    initialisation alone, there are not enough runs. The levels were chosen beforehand; nothing is tuned.

    \b
    Examples:
      collapse sweep findings --profile small
      collapse findings runs/small
      collapse findings runs/small --markdown > findings.md
      collapse findings runs/small --json | jq '.[] | select(.verdict == "does not hold") | .claim'
    """
    from collapse.figures.findings_table import counted, findings_text
    from collapse.figures.markdown import markdown_table
    from collapse.study.findings.findings import findings
    from collapse.study.item import item_of

    item = item_of(study, "findings")
    found = []
    for each in findings(study):
        found.append(each)
        if how is None:
            click.echo(_block(each))
    if how == "json":
        click.echo(json.dumps([each.as_record() for each in found], indent=2))
        return
    if how == "markdown":
        click.echo(markdown_table(findings_text(found)))
        click.echo()
    click.echo(f"{counted(found)}\n{item.told}")


def _block(finding: "Finding") -> str:
    claim = finding.claim
    said = [
        f"{finding.verdict}: {claim.statement} ({claim.source})",
        f"on {finding.data}: {claim.effect}: {finding.measured}, claimed {claim.expected}",
        f"over {finding.over}; the paper: {finding.paper}" if finding.over else f"the paper: {finding.paper}",
        finding.remark,
    ]
    first, *rest = (
        click.wrap_text(line, width=100, initial_indent=indent, subsequent_indent="    ")
        for line, indent in zip(said, ("", *["    "] * 3), strict=True)
        if line
    )
    return "\n".join([first, *rest, ""])
