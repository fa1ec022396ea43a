"""The page of a study: findings, figures and tables, each with what it shows and how it is made again."""

import math
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from collapse.figures.markdown import is_of_numbers
from collapse.figures.study_table import StudyTable
from collapse.figures.templating import page_templates
from collapse.files.atomic import atomic_write
from collapse.paper.findings.checking import CLAIMS
from collapse.paper.findings.claim import Verdict
from collapse.paper.own_items import OwnItem
from collapse.paper.profiles import Profile
from collapse.paper.render import Rendered
from collapse.printable import path_text

PAGE = "index.html"
_FINDINGS = "findings"
_KINDS = {
    Verdict.HOLDS: "holds",
    Verdict.DOES_NOT_HOLD: "fails",
    Verdict.CANNOT_TELL: "open",
    Verdict.NOT_TAKEN: "some",
}
"""Classes of the style sheet by verdict."""
_COUNTED = {
    Verdict.HOLDS: ("1 claim holds", "{} claims hold"),
    Verdict.DOES_NOT_HOLD: ("1 does not hold", "{} do not hold"),
    Verdict.CANNOT_TELL: ("1 cannot be decided", "{} cannot be decided"),
    Verdict.NOT_TAKEN: (
        "1 was not tested, as its treatment did not take",
        "{} were not tested, as their treatments did not take",
    ),
}
"""Sentences for one claim and for several."""
_NUMBER = re.compile(r"[+-]?(\d[\d,]*)?\.?\d+")
_LINKED = 200
"""Most runs that are linked below an item."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link to a run, an item or a finding."""

    name: str
    """Its text."""
    href: str
    """Its target."""
    kind: str = ""
    """Its class."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An effect with its interval and the claim, as places from 0 to 100."""

    effect: float
    """The effect."""
    low: float | None
    """Lower end of the interval; None without one."""
    high: float | None
    """Upper end of the interval."""
    bound: float
    """The bound of the claim."""
    side: float
    """Where the side that the claim means begins."""
    width: float
    """Width of this side."""
    value: float
    """The bound as a number."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A figure or table on the page."""

    of: Rendered
    """The item."""
    badges: list[Link]
    """Verdicts of the claims that it shows."""
    commands: list[str]
    """Commands that make it again."""
    folders: list[Link]
    """Its finished runs."""
    sentence: str = ""
    """What to see in it."""
    provenance: str = ""
    """Where its numbers are from."""
    numeric: list[bool] = field(default_factory=list)
    """For a table, which columns are numbers."""


def write_page(found: Sequence[Rendered], folder: Path, profile: Profile) -> Path:
    """Write a page with the findings, figures and tables of a study, and the commands that train missing runs.

    Parameters
    ----------
    found : sequence of Rendered
        The items.
    folder : Path
        Folder of the page, with the files of the items.
    profile : Profile
        The study's profile.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    CollapseError
        If it cannot be written.
    """
    page = page_templates()
    page.filters |= {"kind": _kind, "value": _value}
    present = [each for each in found if not each.item.lacks_data]
    findings = next((each for each in present if each.item.name == _FINDINGS and each.rows), None)
    others = [each for each in present if each is not findings]
    by_item = _claims_by_item(findings, [each.item.name for each in others])
    shown = [_shown(each, by_item.get(each.item.name, []), folder) for each in others]
    study = present[0].study if present else folder
    text = page.get_template("study/page.html").render(
        profile=profile,
        study=path_text(study),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        version=version("embedding-collapse"),
        findings=None if findings is None else _findings(findings, shown, folder),
        figures=[each for each in shown if each.of.picture],
        tables=[each for each in shown if each.of.rows],
        lacking=[each for each in shown if each.of.made is None],
    )
    with atomic_write(folder / PAGE) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
    return folder / PAGE


def _claims_by_item(findings: Rendered | None, items: Sequence[str]) -> dict[str, list[Link]]:
    """Return the verdicts of the claims that each item shows."""
    links: dict[str, list[Link]] = {}
    for record in _records(findings):
        for name in _items(record["claim"], items):
            text = f"{record['verdict']} on {record['data']}"
            link = Link(name=text, href=_anchor(record), kind=_KINDS[Verdict(record["verdict"])])
            links.setdefault(name, []).append(link)
    return links


def _items(claim: str, items: Sequence[str]) -> list[str]:
    """Return the items on the page that a claim's source names; Figure 3a is part of the item 3."""
    of = next((each.shown_in for each in CLAIMS if each.name == claim), ())
    named = [name if name in items else name.rstrip("abcd") for name in of]
    return list(dict.fromkeys(name for name in named if name in items))


def _shown(each: Rendered, badges: list[Link], folder: Path) -> Shown:
    first, _, rest = each.caption.partition("\n")
    is_table = isinstance(each.made, StudyTable)
    columns = list(zip(*each.rows[1:], strict=True)) if is_table else []
    paths = [run.path for run in (each.item.runs if isinstance(each.item, OwnItem) else each.item.finished_runs)]
    return Shown(
        of=each,
        badges=badges,
        commands=_commands(each),
        folders=_folders(paths, folder),
        sentence="" if is_table else first,
        provenance="" if is_table else rest,
        numeric=[is_of_numbers(cells) for cells in columns],
    )


def _commands(each: Rendered) -> list[str]:
    """Return the commands that train an item's runs and make it."""
    drawn = shlex.join(["collapse", "figures", path_text(each.study), "--figure", each.item.name])
    has_profile = not isinstance(each.item, OwnItem) and each.item.profile.name and each.item.runs
    return [each.item.command, drawn] if has_profile else [drawn]


def _folders(paths: Iterable[Path], folder: Path) -> list[Link]:
    return [
        Link(name=path_text(path.name), href=quote(os.path.relpath(path, folder)) + "/")
        for path in list(dict.fromkeys(paths))[:_LINKED]
    ]


def _findings(each: Rendered, shown: Sequence[Shown], folder: Path) -> dict[str, Any]:
    titles = {each.of.item.name: each.of.title for each in shown}
    records = _records(each)
    counts = Counter(record["verdict"] for record in records)
    verdicts = [(str(verdict), counts[verdict]) for verdict in Verdict if counts[verdict]]
    said = ", ".join(_COUNTED[Verdict(verdict)][count != 1].format(count) for verdict, count in verdicts)
    assert not isinstance(each.item, OwnItem)
    command = [each.item.command] if each.item.profile.name else []
    return {
        "sentence": f"{said}.",
        "verdicts": verdicts,
        "csv": next(path.name for path in each.paths if path.suffix == ".csv"),
        "all": [
            {
                **record,
                "anchor": _anchor(record),
                "picture": _interval(record),
                "said": f"effect {record['measured']}, claimed {record['expected']}",
                "links": [Link(name=titles[name], href=name) for name in _items(record["claim"], list(titles))],
                "folders": _folders((each.study / name for name in record["runs"].split("; ") if name), folder),
                "commands": [*command, shlex.join(["collapse", "findings", path_text(each.study)])],
            }
            for record in records
        ],
    }


def _records(findings: Rendered | None) -> list[dict[str, Any]]:
    """Return the findings with their printed cells."""
    if findings is None or not isinstance(findings.made, StudyTable):
        return []
    numbers, text = (of.to_dict("records") for of in (findings.made.numbers, findings.made.text))
    printed = ("measured", "p", "over", "paper")
    return [
        {str(key): value for key, value in number.items()}
        | {name: cells[name] for name in printed}
        | {"remark": cells["note"]}
        for number, cells in zip(numbers, text, strict=True)
    ]


def _anchor(record: Mapping[str, Any]) -> str:
    return re.sub(r"[^\w-]+", "-", f"{record['claim']}-{record['data']}")


def _interval(record: Mapping[str, Any]) -> Interval | None:
    """Place an effect, its interval and the bound of the claim on one axis; None without an effect."""
    if record["value"] is None or math.isnan(record["value"]):
        return None
    word, _, number = str(record["expected"]).partition(" ")
    bound, has_interval = float(number), not (record["low"] is None or math.isnan(record["low"]))
    ends = (record["low"], record["high"]) if has_interval else (record["value"],) * 2
    least, most = min(bound, *ends), max(bound, *ends)
    margin = 0.12 * (most - least) or 1.0
    begin, whole = least - margin, most - least + 2 * margin

    def place(value: float) -> float:
        return float(round(100 * (value - begin) / whole, 2))

    at = place(bound)
    is_above = word == "above"
    return Interval(
        effect=place(record["value"]),
        low=place(ends[0]) if has_interval else None,
        high=place(ends[1]) if has_interval else None,
        bound=at,
        side=at if is_above else 0.0,
        width=100 - at if is_above else at,
        value=bound,
    )


def _value(cell: str) -> str:
    """Return the number that a cell begins with, for sorting; empty without one."""
    found = _NUMBER.match(cell.strip())
    return found[0].replace(",", "") if found else ""


def _kind(verdict: str) -> str:
    return _KINDS[Verdict(verdict)]
