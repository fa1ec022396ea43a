"""`collapse findings`."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collapse.cli.output import suggest
from collapse.printable import path_text

if TYPE_CHECKING:
    from collapse.paper.findings.claim import Finding


@click.command(name="findings")
@click.argument("study", type=click.Path(path_type=Path, file_okay=False), metavar="STUDY")
@click.option("--json", "how", flag_value="json", help="Print JSON, with unrounded numbers.")
@click.option("--markdown", "how", flag_value="markdown", help="Print a Markdown table.")
def command(study: Path, how: str | None) -> None:
    """Test the paper's claims on a study.

    STUDY is a folder with runs. Of a grid's runs, the claims are tested that they can carry. Each claim has one
    number per initialisation, a 95 % Student t interval (for AUC including the error of the test rows), and a
    p-value corrected for all claims of the study (Holm). The verdict is "holds" or "does not hold" at the 5 %
    level. Otherwise, and always with fewer than five initialisations, it is "cannot tell", with the number of
    initialisations that would tell. A claim about a treatment is judged only if the treatment took:
    regularisation, for example, must have made the projections nearly unitary. The levels were fixed beforehand.

    \b
    Examples:
      collapse sweep findings --profile small
      collapse findings runs/small
      collapse findings runs/small --markdown > findings.md
      collapse findings runs/small --json | jq '.[] | select(.verdict == "does not hold") | .claim'
    """
    from collapse.figures.markdown import markdown_table
    from collapse.paper.findings.checking import CLAIMS, check_claims
    from collapse.paper.item import PaperStudy
    from collapse.paper.tables.findings_table import counted, findings_text

    of_paper = PaperStudy(study)
    item = of_paper.item("findings")
    found = check_claims(of_paper)
    if how is None:
        for each in found:
            click.echo(_block(each))
    if how == "json":
        click.echo(json.dumps([each.as_record() for each in found], indent=2))
        return
    if how == "markdown":
        click.echo(markdown_table(findings_text(found)))
        click.echo()
    click.echo(counted(found))
    if item.profile.is_inferred:
        left = len(CLAIMS) - len({each.claim.name for each in found})
        click.echo(f"{left} of the paper's {len(CLAIMS)} claims need runs that are not there")
    click.echo(item.summary)
    if how is None:
        suggest("collapse", "figures", path_text(study), "--figure", "all")


def _block(finding: "Finding") -> str:
    claim = finding.claim
    said = [
        f"{finding.verdict}: {claim.statement} ({claim.source})",
        f"on {finding.data}: {claim.effect}: {finding.measured}, claimed {claim.expected}",
        "; ".join(
            part
            for part in (
                f"over {finding.over}" if finding.over else "",
                "" if math.isnan(finding.p_adjusted) else f"p {finding.p_adjusted:.2g} after Holm's correction",
                f"the paper: {finding.paper}" if finding.paper else "",
            )
            if part
        ),
        finding.remark,
    ]
    first, *rest = (
        click.wrap_text(line, width=100, initial_indent=indent, subsequent_indent="    ")
        for line, indent in zip(said, ("", *["    "] * 3), strict=True)
        if line
    )
    return "\n".join([first, *rest, ""])
