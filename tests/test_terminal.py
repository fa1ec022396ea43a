"""What commands print on a terminal: width, colours, and the next command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from collapse.cli.columns import fitted
from tests.conftest import Collapse

WORDS = st.text("abcdefgh_", min_size=1, max_size=12)
VERDICTS = st.sampled_from(
    [
        "spread out",
        "collapsed since epoch 2: 0.41 without its first direction",
        "dominated by its first direction: 0.80 without it",
        "partly collapsed: 0.45 without its mean row; 12 rows look untouched",
    ]
)
ROWS = st.lists(st.tuples(WORDS, st.integers(0, 10**6).map("{:,}".format), VERDICTS), min_size=1, max_size=5)


def table(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["field", "D", "verdict"]).assign(IA="1.23", adjusted="0.50")[
        ["field", "D", "IA", "adjusted", "verdict"]
    ]


@given(ROWS, st.integers(56, 200))
def test_a_table_fits(rows: list[tuple[str, str, str]], width: int) -> None:
    """No line is too long, no word is broken, and columns are left out in their order."""
    lines = click.unstyle(fitted(table(rows), width, ["D", "IA"])).splitlines()
    assert max(map(len, lines)) <= width
    for _, _, verdict in rows:
        for word in verdict.split():
            assert any(word in line.split() for line in lines)
    found = re.findall(r"left out at this width: (.*)\)", "\n".join(lines))
    assert found in ([], ["D"], ["D, IA"])
    assert lines[0].split() == [
        "field",
        *[name for name in ("D", "IA") if name not in "".join(found)],
        "adjusted",
        "verdict",
    ]


@given(ROWS)
def test_a_table_without_a_width_has_all_columns(rows: list[tuple[str, str, str]]) -> None:
    lines = click.unstyle(fitted(table(rows), None, ["D", "IA"])).splitlines()
    assert len(lines) == 1 + len(rows)
    for line, (field, D, verdict) in zip(lines[1:], rows, strict=True):
        assert re.fullmatch(rf"{field} +{D} +1.23 +0.50  {re.escape(verdict)}", line)


def test_wide_signs_are_aligned() -> None:
    """A Chinese sign takes two columns."""
    lines = click.unstyle(
        fitted(table([("城市", "3", "spread out"), ("user", "4", "spread out")]), None)
    ).splitlines()
    assert lines[1].index("1.23") + 2 == lines[2].index("1.23")


def on_a_terminal(*words: object, columns: int = 100, **environment: str) -> str:
    """Return what a command prints on a terminal of some width."""
    program = "import os, pty, sys; pty.spawn(sys.argv[1:], lambda descriptor: os.read(descriptor, 65536))"
    command = [sys.executable, "-c", program, sys.executable, "-m", "collapse", *map(str, words)]
    known = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    done = subprocess.run(
        command,
        env={**known, "COLUMNS": str(columns), "TERM": "xterm", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().replace("\r\n", "\n")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a collapsed table, one with a hostile name, and many skipped tensors."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("tables") / "t.pt"
    tables = {
        "embedding_dict.low.weight": random.standard_normal((90, 1)) @ np.ones((1, 4)),
        "embedding_dict.\x1b[31mred.weight": random.standard_normal((80, 4)),
        **{f"mlp.{n}.bias": np.zeros(3) for n in range(12)},
    }
    torch.save({name: torch.tensor(values) for name, values in tables.items()}, path)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is made with pty")
class TestOnATerminal:
    def test_verdicts_have_colours(self, tables: Path) -> None:
        """A file's own codes are escaped, and NO_COLOR is obeyed."""
        out = on_a_terminal("analyze", tables)
        assert out.startswith("1 of 2 fields is collapsed: low")
        assert re.search(r"\x1b\[31mcollapsed.*\x1b\[0m", out)
        assert re.search(r"\x1b\[32mspread out\x1b\[0m", out)
        assert r"\x1b[31mred" in out
        assert "\x1b" not in on_a_terminal("analyze", tables, NO_COLOR="1")
        assert "\x1b" not in on_a_terminal("analyze", tables, TERM="dumb")

    def test_it_fits(self, tables: Path) -> None:
        for columns in (72, 100):
            lines = on_a_terminal("analyze", tables, columns=columns, NO_COLOR="1").splitlines()
            # A path or the command cannot be broken.
            long = [line for line in lines if len(line) > columns and str(tables) not in line]
            assert long == []


def test_what_was_skipped_is_folded(tables: Path, collapse: Collapse) -> None:
    out = collapse("analyze", tables)[1]
    assert "skipped: 12 tensors or parts (--verbose lists them)" in out
    assert "\x1b" not in out
    assert collapse("analyze", tables, "--verbose")[1].count("skipped: mlp.") == 12
    assert collapse("analyze", tables, "--markdown", "--verbose")[1].count("- skipped: mlp.") == 12


def test_commands_end_with_the_next_one(
    tables: Path, small_data: Path, tmp_path: Path, collapse: Collapse
) -> None:
    """It runs as it is; formats for programs have none."""
    (tmp_path / "log.csv").write_text("a,b,click\n" + "".join(f"{n % 3},{n % 5},{n % 2}\n" for n in range(40)))
    for words in (
        ("analyze", tables),
        ("explain", tables, "low"),
        ("report", tables),
        ("size", tables),
        ("truncate", tables),
        ("truncate", tables, "-o", tmp_path / "cut.safetensors"),
        ("data",),
        ("data", small_data),
        ("models",),
        ("models", "dcnv2"),
        ("formats",),
        ("glossary",),
        ("prepare", "table", tmp_path / "log.csv", "--label", "click", "-o", tmp_path / "log"),
        ("prepare", "table", tmp_path / "log.csv", "--label", "click", "--dry-run"),
    ):
        code, out, err = collapse(*words)
        assert (code, err) == (0, ""), words
        *_, last = out.splitlines()
        assert last.startswith(("next: collapse ", "next: the same command ")), words
        assert out.count("\nnext: ") == 1
    for words in (("analyze", tables, "--json"), ("analyze", tables, "--csv"), ("size", tables, "--json")):
        assert "next:" not in collapse(*words)[1]
