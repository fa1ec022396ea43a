"""The glossary is printed, linked from help, and part of the report."""

import json
import re
from pathlib import Path

import pytest

from collapse.glossary import glossary
from tests.conftest import Collapse

TERMS = {
    "Information abundance",
    "Adjusted abundance",
    "Sub-embedding",
    "Field map",
    "Set",
    "Diversity",
    "Treatment",
}


def test_every_paragraph_is_a_term() -> None:
    text = (Path(__file__).parent.parent / "collapse" / "glossary.md").read_text(encoding="utf-8")
    assert len(glossary()) == len(re.findall(r"^\*\*", text, re.MULTILINE)) == len(text.split("\n\n"))
    assert set(glossary()) > TERMS | {"Profile", "Study"}


def test_the_command(collapse: Collapse) -> None:
    code, out, err = collapse("glossary")
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line and not line.startswith((" ", "next:"))] == list(glossary())
    assert list(json.loads(collapse("glossary", "FIELD MAP", "--json")[1])) == ["Field map"]
    assert list(json.loads(collapse("glossary", "cardinality", "--json")[1])) == ["Field"]
    code, out, err = collapse("glossary", "entropy")
    assert (code, out) == (2, "")
    assert "'entropy'" in err


@pytest.mark.parametrize("command", [[], ["analyze"], ["findings"], ["sweep"]])
def test_help_names_it(command: list[str], collapse: Collapse) -> None:
    assert "collapse glossary" in collapse(*command, "--help")[1]


def test_the_report_explains_its_terms(trained: dict[str, Path], tmp_path: Path, collapse: Collapse) -> None:
    assert collapse("report", trained["dcnv2-4"], "-o", tmp_path / "a.html")[0] == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert 'href="#terms"' in page
    assert "<dt>Adjusted abundance</dt>" in page
