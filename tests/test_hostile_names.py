"""Arbitrary names of fields, models, data and files cause no traceback, no broken table and no partial file."""

import csv
import io
import json
import os
import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from collapse.analysis.factorised import factorise
from collapse.analysis.settings import AnalysisSettings
from collapse.io.checkpoint.file import load_checkpoint, save_checkpoint
from collapse.io.load import load
from collapse.paper.item import item_of
from collapse.paper.making import displays
from collapse.paper.profiles import Profile
from collapse.paper.tables.auc_tables import auc_table
from collapse.paper.tables.data_table import data_table
from collapse.printable import one_line
from tests.conftest import Collapse
from tests.pretended import pretended
from tests.small_data import write_small_data

NAMES = {
    "separators and marks": "\ufeffa\u2028b\u202ec",
    "line ends and a NUL": "a\nb\r=1\r\n\0",
    "escapes": "\x1b[31mred\x07\x08",
    "signs of CSV, mathematics and Markdown": 'a,"b",=c|$x$_{2}^\\frac*d*`e`<i>&lt;',
    "nothing": "",
    "a space": " ",
    "letters without end": "x" * 100_000,
}


PRINTED = {"\x1b", "\x07", "\x08", "\r", "\0", "\u2028", "\ufeff", "\u202e"}
"""Characters that must not reach a terminal."""


def odd(source: Path, name: str, folder: Path) -> Path:
    """Write a checkpoint with the given name for its model, data and first field."""
    checkpoint, path = load_checkpoint(source), folder / "odd.pt"
    data = {**checkpoint.data, "name": name}
    save_checkpoint(path, replace(checkpoint, name=name, data=data, fields=(name, *checkpoint.fields[1:])))
    return path


@pytest.mark.parametrize("kind", NAMES)
def test_in_a_checkpoint(kind: str, trained: dict[str, Path], tmp_path: Path, collapse: Collapse) -> None:
    """As the name of the model, the data and a field."""
    name, path = NAMES[kind], odd(trained["dcnv2-4"], NAMES[kind], tmp_path)
    for words in (
        ("analyze", path),
        ("analyze", path, "--markdown"),
        ("analyze", path, "--figure", "2"),
        ("report", path),
        ("truncate", path),
        ("explain", path, name),
    ):
        code, out, err = collapse(*words)
        assert (code, err) == (0, ""), words
        assert not set(out) & PRINTED
        assert max(map(len, out.split("\n"))) < 1000
    assert json.loads(collapse("analyze", path, "--json")[1])["fields"][0]["field"] == name
    for table in ((tmp_path / "figure-2.csv").read_bytes().decode(), collapse("analyze", path, "--csv")[1]):
        rows = list(csv.reader(io.StringIO(table, newline=""), strict=True))
        assert len({len(row) for row in rows}) == 1
        assert len(rows) == 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["line ends and a NUL", "nothing"])
def test_in_every_figure(kind: str, trained: dict[str, Path], tmp_path: Path) -> None:
    factored = factorise(load(odd(trained["dcnv2-4x2"], NAMES[kind], tmp_path)), AnalysisSettings())
    for number, display in displays().items():
        if number not in ("4", "layers"):
            made = display.from_checkpoints([factored])
            csv_path = made.save(tmp_path / "figures")[2]
            assert display.from_csv(csv_path).plot().axes_


def cells(markdown: str) -> list[list[str]]:
    """Return the text of a table's cells as a Markdown reader shows it."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    rows: list[list[str]] = []
    for before, token in pairwise(tokens):
        rows += [[]] * (token.type == "tr_open")
        if before.type in ("th_open", "td_open"):
            rows[-1].append("".join(each.content for each in token.children or []))
    return rows


@pytest.mark.parametrize("kind", NAMES)
def test_in_the_tables_of_a_study(kind: str, tmp_path: Path) -> None:
    data = write_small_data(tmp_path / "data", name=NAMES[kind])
    profile = Profile(name="smoke", content="", data=(str(data),), base_size=2, epochs=1)
    item = pretended(tmp_path / "study", profile, "table-1")
    of_data = data_table(item_of(tmp_path / "study", "table-4"))
    for table in (
        auc_table(item),
        of_data,
        replace(of_data, text=of_data.text.rename(columns={"rows": NAMES[kind]})),
    ):
        _, markdown, latex = table.save(tmp_path)
        rows = cells(markdown.read_text())
        expected = [list(table.text.columns), *table.text.to_numpy().tolist()]
        assert rows == [[one_line(str(cell)).strip() for cell in row] for row in expected]
        body = latex.read_text().partition("\\toprule\n")[2].partition("\\bottomrule")[0].splitlines()
        assert len(body) == len(expected) + 1
        body.remove("\\midrule")
        assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {len(expected[0]) - 1}


IN_PATHS = [kind for kind, name in NAMES.items() if 0 < len(name) < 99]


@pytest.mark.parametrize("kind", IN_PATHS)
def test_in_a_path(kind: str, trained: dict[str, Path], tmp_path: Path, collapse: Collapse) -> None:
    name = NAMES[kind].replace("\0", "")
    path = tmp_path / f"{name}.pt"
    shutil.copy(trained["dcnv2-4"], path)
    for words in (("analyze", path), ("report", path), ("analyze", path, "--figure", "2"), ("truncate", path)):
        code, out, err = collapse(*words)
        assert (code, err) == (0, ""), words
        assert not set(out) & PRINTED
    code, _, err = collapse("analyze", tmp_path / f"no {name}")
    assert code == 2
    assert not set(err) & PRINTED


def test_a_path_that_is_too_long(tmp_path: Path, collapse: Collapse) -> None:
    more = {"explain": ["a"], "figures": ["--figure", "2"]}
    for words in ("analyze", "report", "explain", "truncate", "figures", "findings", "data"):
        code, _, err = collapse(words, "x" * 5000, *more.get(words, []))
        assert code == 2, words
        assert "too long" in err
        assert len(err) < 4500


@pytest.mark.parametrize("kind", NAMES)
def test_in_the_header_of_a_table(kind: str, tmp_path: Path, collapse: Collapse) -> None:
    """Prepared data can be opened and trained on, and refused data leaves no files."""
    name = NAMES[kind]
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
        rows: list[tuple[object, ...]] = [("y", name, "b"), *((n % 2, f"v{n % 7}", n % 5) for n in range(60))]
        csv.writer(file, lineterminator="\n").writerows(map(list, rows))
    out = tmp_path / "out"
    code, _, err = collapse("prepare", "table", tmp_path / "t.csv", "--label", "y", "--min-count", 1, "-o", out)
    assert code in (0, 2)
    if code == 2:
        assert len(err.strip("\n").split("\n")) == 1
        assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".csv") == []
        return
    assert collapse("data", out)[0] == 0
    code, printed, _ = collapse(
        "train", "--model", "fm-2", "--data", out, "--epochs", 1, "--out", tmp_path / "run"
    )
    assert code == 0
    assert max(map(len, printed.split("\n"))) < 5000


def test_a_file_whose_name_is_not_text(tmp_path: Path, collapse: Collapse) -> None:
    path = tmp_path / os.fsdecode(b"\xff.csv")
    path.write_text("y,a,b\n" + "".join(f"{n % 2},v{n % 7},{n % 5}\n" for n in range(60)))
    out = tmp_path / "out"
    assert collapse("prepare", "table", path, "--label", "y", "--min-count", 1, "-o", out)[0] == 0
    assert collapse("data", out)[1].startswith("\\xff: 60 rows")
