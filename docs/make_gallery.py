"""Make the gallery and the findings from two studies: ``python docs/make_gallery.py runs/small [runs/flights]``."""

import gzip
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from collapse import StudyRun
from collapse.figures.markdown import markdown_table
from collapse.figures.study_table import StudyTable
from collapse.paper.catalogue import all_items
from collapse.paper.findings.checking import check_claims
from collapse.paper.item import PaperStudy, item_of, read_profile
from collapse.paper.making import display_of
from collapse.paper.profiles import Profile
from collapse.paper.render import Rendered, render

DOCS = Path(__file__).parent
GALLERY = DOCS / "gallery"


_LARGE = 1 << 16
"""Bytes from which on a file of numbers is compressed."""


def make_gallery(study: Path) -> None:
    """Draw every item and the README's picture, and write the gallery's pages and ``findings-list.md``.

    Parameters
    ----------
    study : Path
        The study's folder, as shown in the commands.
    """
    names = [name for name in all_items(read_profile(study)) if name != "findings"]
    found = [each for each in render(study, names, study / "figures") if each.made]
    for each in found:
        if each.picture:
            _smaller(study / "figures" / each.picture, GALLERY / each.picture)
    single, multi = item_of(study, "8b").finished_runs
    pair = [StudyRun(run.path).factored() for run in (single, multi)]
    paths = display_of("2").from_checkpoints(pair).save(study / "figures" / "first")
    _smaller(paths[0], DOCS / "collapse.png")
    write_pages([_example(each) for each in found], read_profile(study), study)
    (DOCS / "findings-list.md").write_text(_claims(study) + "\n", encoding="utf-8")


def write_pages(found: list[dict[str, Any]], profile: Profile, study: Path) -> None:
    """Write the page of thumbnails, and a page for each example."""
    pages = Environment(
        loader=FileSystemLoader(DOCS), undefined=StrictUndefined, trim_blocks=True, autoescape=False
    )
    index = pages.get_template("gallery.md.jinja").render(found=found, profile=profile)
    (DOCS / "gallery.md").write_text(index, encoding="utf-8")
    for each in found:
        text = pages.get_template("example.md.jinja").render(each=each, profile=profile, study=study)
        (GALLERY / f"{each['stem']}.md").write_text(text.rstrip() + "\n", encoding="utf-8")


def _example(each: Rendered) -> dict[str, Any]:
    """Return what an example's page shows, and copy its numbers."""
    is_table = isinstance(each.made, StudyTable)
    sentence, _, provenance = (each.caption, "", "") if is_table else each.caption.partition("\n")
    return {
        "name": each.item.name,
        "stem": each.item.name if is_table else f"figure-{each.item.name}",
        "title": each.title,
        "shows": each.content,
        "picture": each.picture,
        "table": markdown_table(each.made.text) if isinstance(each.made, StudyTable) else "",
        "sentence": sentence,
        "provenance": provenance,
        "has_runs": bool(each.item.runs),
        "numbers": [_numbers(path) for path in each.paths if path.suffix == ".csv"],
    }


def _numbers(path: Path) -> str:
    """Copy a file of numbers into the gallery, compressed if it is large; return its name."""
    content = path.read_bytes()
    if len(content) < _LARGE:
        (GALLERY / path.name).write_bytes(content)
        return path.name
    # Without the time, so that equal numbers give equal files.
    (GALLERY / f"{path.name}.gz").write_bytes(gzip.compress(content, mtime=0))
    return f"{path.name}.gz"


def _smaller(picture: Path, to: Path) -> None:
    """Write a picture without loss, with a palette if it has at most 256 colours."""
    with Image.open(picture) as drawn:
        colours = drawn.convert("RGB")
        exact = colours.getcolors(256) is not None
        (colours.convert("P", palette=Image.Palette.ADAPTIVE) if exact else colours).save(to, optimize=True)


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
    gallery, *flights = map(Path, sys.argv[1:])
    make_gallery(gallery)
    for study in flights:
        (DOCS / "flights-list.md").write_text(_claims(study) + "\n", encoding="utf-8")
