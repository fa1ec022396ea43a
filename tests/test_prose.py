"""Plain English: some patterns that confused readers are banned."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "NOTES.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
TEMPLATES = sorted((ROOT / "collapse" / "figures" / "templates").rglob("*.html"))
MODULES = sorted((ROOT / "collapse").rglob("*.py"))

THING = (
    "row|line|file|panel|colour|point|heatmap|number|table|bar|tuple|column|process|job|run|set|label|name|thread"
)
BANNED = {
    rf"\b(?:an?|one) (?:{THING}) an? (?!time\b|moment\b)[a-z]": "write 'one row per field', not 'a row a field'",
    r"\b(?:rows|ms|s|seconds|GB|MB|bytes|steps|threads) an? "
    r"(?:second|row|step|layer|run|thread|epoch|batch)\b": "write 'per second'",
    r"(?<!here )\b(?:is|are) no (?!longer\b|more\b|such\b|other\b|way\b|need\b)[a-z]": "write 'is not a'",
    r"\bbeside\b": "write 'next to', 'with' or 'in addition to'",
    r"; (?:it|they|each) (?:is|are) (?:a|an|one of|at "
    r"least|greater|above|below|from|finite|0)\b": "write 'must be', not the rule as a fact",
    r"\b(?:is|are|was|were) told\b": "write what is printed or recorded, and where",
    r"\bof one's own\b": "write 'your own' or 'the user's'",
    r"\bas good as (?:nothing|none)\b": "write 'almost nothing'",
    r"\bat the most\b": "write 'at most'",
    r"\bhow (?:often|far|many) it (?:is|was) of\b": "name the quantity",
    r"\bshares? of (?:the|rows|a|its)\b": "write 'fraction of'",
    r"\bTold (?:are|is)\b|^Shown (?:are|is)\b": "begin with the subject",
    r"\bgoes? on where\b": "write 'continues'",
    r"\bless (?:that|those) of\b|\b(?:now|after|first) less (?:before|the)\b": "write 'minus'",
    r"\b(?:what|which) (?:is|are|was) named\b": "write what it is",
}
"""Each pattern with its reason."""
FLATTENED = re.compile(r"^\s*(?:Notes|References|Returns|Raises|Examples) -{3,} \S", re.MULTILINE)
"""A section of a docstring after a careless wrap."""


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings, docstrings and comments of a module with their lines."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def found_in(text: str) -> list[str]:
    """Return the banned phrases in a text, each with its reason."""
    words = " ".join(text.split())
    if FLATTENED.search(text):
        return ["a heading of a docstring section is not on its own line"]
    return [
        f"{match.group()!r}: {why}" for pattern, why in BANNED.items() for match in re.finditer(pattern, words)
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules(path: Path) -> None:
    assert [f"line {line}: {why}" for line, text in texts_of(path) for why in found_in(text)] == []


@pytest.mark.parametrize("path", [*PAGES, *TEMPLATES], ids=lambda path: str(path.relative_to(ROOT)))
def test_pages(path: Path) -> None:
    assert found_in(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "a row a field",
        "it is no file",
        "batch_size is 1; it is a count",
        "what was skipped is told",
        "the numbers beside it",
        "Notes ----- The",
    ],
)
def test_the_patterns_find_what_they_are_for(text: str) -> None:
    assert found_in(text)


@pytest.mark.lint
def test_spelling() -> None:
    words = [
        sys.executable,
        "-m",
        "codespell_lib",
        "--ignore-words-list=caf,nd",
        "--skip=*.pyc,*.svg,*.csv,*.ipynb",
        "collapse",
        "tests",
        "benchmarks",
        "docs",
        *(str(page) for page in PAGES),
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == ""
