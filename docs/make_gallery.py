"""Make the gallery and the findings from two studies: ``python docs/make_gallery.py runs/small runs/flights``."""

import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from collapse import StudyRun
from collapse.figures.markdown import markdown_table
from collapse.paper.catalogue import all_items
from collapse.paper.findings.checking import check_claims
from collapse.paper.item import PaperStudy, item_of, read_profile
from collapse.paper.making import display_of
from collapse.paper.render import Rendered, render

DOCS = Path(__file__).parent


def make_gallery(study: Path) -> None:
    """Draw every item and the README's picture, and write ``gallery.md`` and ``findings-list.md``.

    Parameters
    ----------
    study : Path
        The study's folder, as shown in the commands.
    """
    folder = DOCS / "gallery"
    found = list(
        render(study, [name for name in all_items(read_profile(study)) if name != "findings"], study / "figures")
    )
    for each in found:
        if each.picture:
            _smaller(study / "figures" / each.picture, folder / each.picture)
    single, multi = item_of(study, "8b").finished_runs
    pair = [StudyRun(run.path).factored() for run in (single, multi)]
    paths = display_of("2").from_checkpoints(pair).save(study / "figures" / "first")
    _smaller(paths[0], DOCS / "collapse.png")
    page = Environment(
        loader=FileSystemLoader(DOCS), undefined=StrictUndefined, trim_blocks=True, autoescape=False
    )
    text = page.get_template("gallery.md.jinja").render(found=found, study=study, table=_table)
    (DOCS / "gallery.md").write_text(text, encoding="utf-8")
    (DOCS / "findings-list.md").write_text(_claims(study) + "\n", encoding="utf-8")


def _smaller(picture: Path, to: Path) -> None:
    """Write a picture without loss, with a palette if it has at most 256 colours."""
    with Image.open(picture) as drawn:
        colours = drawn.convert("RGB")
        exact = colours.getcolors(256) is not None
        (colours.convert("P", palette=Image.Palette.ADAPTIVE) if exact else colours).save(to, optimize=True)


def _table(each: Rendered) -> str:
    return markdown_table(each.made.text) if each.rows else ""  # type: ignore[union-attr]


def _claims(study: Path) -> str:
    """Return one paragraph per claim, with one line per data set."""
    parts: dict[str, list[str]] = {}
    for each in check_claims(PaperStudy(study)):
        claim = each.claim
        head = f"**{claim.statement}** ({claim.source}) Measured: {claim.effect}; claimed {claim.expected}."
        said = [
            f"**{each.verdict}** on {each.data}: {each.measured}",
            each.remark,
            f"the paper: {each.paper}" if each.paper else "",
        ]
        parts.setdefault(head, []).append("- " + "; ".join(part for part in said if part))
    return "\n\n".join("\n".join([head, "", *lines]) for head, lines in parts.items())


if __name__ == "__main__":
    gallery, flights = map(Path, sys.argv[1:])
    make_gallery(gallery)
    (DOCS / "flights-list.md").write_text(_claims(flights) + "\n", encoding="utf-8")
