"""Make the gallery and the findings of the site from a study: ``python docs/make_gallery.py runs/small``."""

import sys
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from collapse.figures.abundance import AbundanceDisplay
from collapse.figures.markdown import markdown_table
from collapse.figures.render import Rendered, render
from collapse.study.findings.findings import findings
from collapse.study.item import item_of
from collapse.study.recipes import RECIPES
from collapse.study.study import StudyRun

DOCS = Path(__file__).parent
COLOURS = 128
"""Of a picture: no difference to the eye, and a third of the bytes."""


def make_gallery(study: Path) -> None:
    """Draw every item and the first picture, and write ``gallery.md`` and the table of ``findings.md``.

    Parameters
    ----------
    study : Path
        The study's folder, as it is to stand in the commands.
    """
    folder = DOCS / "gallery"
    found = list(render(study, [name for name in RECIPES if name != "findings"], study / "figures"))
    for each in found:
        if each.picture:
            _smaller(study / "figures" / each.picture, folder / each.picture)
    single, multi = item_of(study, "8b").finished_runs
    pair = [StudyRun(run.path).factors() for run in (single, multi)]
    paths = AbundanceDisplay.from_checkpoints(pair).save(study / "figures" / "first")
    _smaller(paths[0], DOCS / "collapse.png")
    page = Environment(loader=FileSystemLoader(DOCS), undefined=StrictUndefined, trim_blocks=True, autoescape=False)
    text = page.get_template("gallery.md.jinja").render(found=found, study=study, table=_table)
    (DOCS / "gallery.md").write_text(text, encoding="utf-8")
    (DOCS / "findings-table.md").write_text(_claims(study) + "\n", encoding="utf-8")


def _smaller(picture: Path, to: Path) -> None:
    with Image.open(picture) as drawn:
        drawn.convert("RGB").quantize(COLOURS).save(to, optimize=True)


def _table(each: Rendered) -> str:
    return markdown_table(each.made.text) if each.rows else ""  # type: ignore[union-attr]


def _claims(study: Path) -> str:
    """Return a row a claim, and a column a data set."""
    rows: dict[str, dict[str, str]] = {}
    for each in findings(study):
        claim = each.claim
        row = rows.setdefault(claim.name, {"claim": f"{claim.statement} ({claim.source})", "effect": claim.effect})
        row["claimed"] = str(claim.expected)
        row[each.data] = f"**{each.verdict}**: {each.measured}" + (f"; {each.note}" if each.note else "")
        row["paper"] = each.paper if "paper" not in row or each.paper == row["paper"] else f"{row['paper']}; {each.paper}"
    table = pd.DataFrame(list(rows.values()))
    return markdown_table(table[[*table.columns.drop("paper"), "paper"]].fillna(""))


if __name__ == "__main__":
    make_gallery(Path(sys.argv[1]))
