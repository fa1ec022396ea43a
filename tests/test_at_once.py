"""Commands that run at the same time in one folder succeed or say why not, and leave complete files."""

import os
import shutil
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from collapse.cli import main
from collapse.paper.catalogue import runs_of
from collapse.paper.item import read_profile
from collapse.study.sweep import plan
from tests.conftest import Collapse
from tests.test_faults import COMMANDS as ALONE
from tests.test_faults import STUDY, study

__all__ = ["study"]

COMMANDS: dict[str, list[str]] = {
    **{name: ALONE[name] for name in ("train", "prepare", "report", "truncate", "a figure")},
    "sweep": ["sweep", "2", "14", *STUDY, "--out", "OUT/study"],
    "figures": ["figures", "OUT/study", "--figure", "2", "--figure", "table-4", "-o", "OUT"],
    "findings": ["findings", "OUT/study"],
}
REFUSALS = ("another process is training in ", "another process is writing ")
AtOnce = Callable[..., list[tuple[str, int | None, str]]]


def _run(words: list[str], printed: str) -> None:
    with Path(printed).open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["collapse", *words]
    main()


@pytest.fixture
def out(study: Path, tmp_path: Path) -> Path:
    shutil.copytree(study, tmp_path / "out" / "study")
    (tmp_path / "t.csv").write_text("y,a\n" + "".join(f"{n % 2},v{n % 7}\n" for n in range(60)))
    return tmp_path / "out"


@pytest.fixture
def at_once(out: Path, trained: dict[str, Path], small_data: Path, tmp_path: Path) -> AtOnce:
    """Return a function that starts commands in separate processes and returns their results."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["collapse.cli", "torch", "polars", "seaborn", "collapse.paper.making"])
    known = {"CKPT": trained["dcnv2-4"], "TABLE": tmp_path / "t.csv", "DATA": small_data}

    def begin(*names: str) -> list[tuple[str, int | None, str]]:
        begun = []
        for number, name in enumerate(names):
            words = [str(known.get(word, word.replace("OUT", str(out)))) for word in COMMANDS[name]]
            printed = tmp_path / f"printed-{number}"
            process = context.Process(target=_run, args=(words, str(printed)))
            process.start()
            begun.append((name, process, printed))
        for _, process, _ in begun:
            process.join(300)
        return [(name, process.exitcode, printed.read_text()) for name, process, printed in begun]

    return begin


def check(found: list[tuple[str, int | None, str]], out: Path) -> None:
    for name, code, printed in found:
        assert "Traceback" not in printed
        assert code == 0 or (code == 2 and any(words in printed for words in REFUSALS)), (name, code, printed)
    for name in {name for name, _, _ in found}:
        assert any(code == 0 for other, code, _ in found if other == name), name
    assert not list(out.rglob(".*.partial"))


@pytest.mark.parametrize("name", [pytest.param("train", marks=pytest.mark.slow), "prepare", "truncate", "report"])
def test_a_command_twice(name: str, at_once: AtOnce, out: Path) -> None:
    check(at_once(name, name), out)


@pytest.mark.slow
def test_every_command_twice(at_once: AtOnce, out: Path, collapse: Collapse) -> None:
    """All pairs of commands are included."""
    check(at_once(*COMMANDS, *reversed(COMMANDS)), out)
    profile = read_profile(out / "study")
    assert {run.state for run in plan(runs_of(["2", "14"], profile), out / "study")} == {"finished"}
    for words in (
        ["data", out / "data", "--verify"],
        ["analyze", out / "small.pt"],
        ["analyze", out / "run" / "best.pt"],
    ):
        assert collapse(*words)[0] == 0
