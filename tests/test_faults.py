"""If the n-th file operation fails, old files stay or new ones are complete, and the command reports it."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from collapse.paper.item import item_of, record_profile
from collapse.paper.profiles import profile_of
from collapse.study import processes
from collapse.study.execute import execute
from tests.conftest import Collapse

OPERATIONS = ((os, "fsync"), (os, "replace"), (os, "rename"), (tempfile, "mkstemp"), (tempfile, "mkdtemp"))
STUDY = ["--profile", "smoke", "--data", "DATA", "--base-size", "2", "--jobs", "1", "--threads", "1"]
COMMANDS: dict[str, list[str]] = {
    "truncate": ["truncate", "CKPT", "--energy", "0.9", "-o", "OUT/small.pt"],
    "truncate to safetensors": ["truncate", "CKPT", "--energy", "0.9", "-o", "OUT/small.safetensors"],
    "report": ["report", "CKPT", "-o", "OUT/report.html"],
    "a figure": ["analyze", "CKPT", "--figure", "2", "--out", "OUT"],
    "prepare": ["prepare", "table", "TABLE", "--label", "y", "--min-count", "1", "--overwrite", "-o", "OUT/data"],
    "train": ["train", "--model", "fm-2", "--data", "DATA", "--epochs", "2", "--out", "OUT/run"],
    "sweep": ["sweep", "2", *STUDY, "--out", "OUT/study"],
    "figures of a study": ["figures", "STUDY", "--figure", "2", "--figure", "table-4", "-o", "OUT"],
    "the page of a study": ["figures", "STUDY", "--figure", "all", "-o", "OUT"],
}
PREPARE_AGAIN: dict[str, list[str]] = {
    "prepare": ["data", "OUT/data", "--verify"],
    "train": ["train", "--resume", "--out", "OUT/run"],
    "sweep": COMMANDS["sweep"],
}
"""Commands that succeed after a failed one that had begun to write."""
SLOW = ("sweep", "a figure", "the page of a study", "figures of a study")
BEGUN = ("data", "run/config.json", "study")
LEFT = (
    "report.html",
    "small.pt",
    "small.safetensors",
    "figure-2.png",
    "figure-2.pdf",
    "figure-2.csv",
    "index.html",
)


class Fault:
    """Counts calls and makes one of them fail."""

    def __init__(self, number: int) -> None:
        self.number, self.calls = number, 0

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == self.number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "some file")
            return function(*args, **kwargs)

        return counted


@pytest.fixture
def here(command: str, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Train runs in this process and use a study of two items; reports draw other figures."""
    monkeypatch.setattr(processes, "process_pool", ThreadPoolExecutor)
    if command != "report":
        only("2", "table-4")


@pytest.fixture(scope="module")
def study(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a study with one run, without its cached results."""
    folder = tmp_path_factory.mktemp("study")
    record_profile(folder, profile_of("smoke", data=(str(small_data),), base_size=2))
    for run in item_of(folder, "2").runs:
        execute(run.config.as_dict(), str(run.path), device="cpu")
    return folder


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in COMMANDS]
)
def test_every_operation_may_fail(
    command: str, trained: dict[str, Path], small_data: Path, study: Path, tmp_path: Path, collapse: Collapse
) -> None:
    out, table, copy = tmp_path / "out", tmp_path / "t.csv", tmp_path / "study"
    table.write_text("y,a\n" + "".join(f"{n % 2},v{n % 7}\n" for n in range(60)))
    known: dict[str, Any] = {"CKPT": trained["dcnv2-4"], "TABLE": table, "DATA": small_data, "STUDY": copy}

    def run(words: list[str]) -> tuple[int, str, str]:
        return collapse(*(known.get(word) or word.replace("OUT", str(out)) for word in words))

    failed, numbers = (
        0,
        [*range(1, 8), *range(8, 24, 4), *range(24, 800, 16)] if command in SLOW else range(1, 800),
    )
    for number in numbers:
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(study, copy)
        out.mkdir()
        for name in LEFT:
            (out / name).write_text("old")
        fault = Fault(number)
        with pytest.MonkeyPatch.context() as patch:
            for module, name in OPERATIONS:
                patch.setattr(module, name, fault(getattr(module, name)))
            exit_code, _, err = run(COMMANDS[command])
        if fault.calls < number:
            assert exit_code == 0, err
            break
        failed += exit_code != 0
        assert exit_code in (0, 1, 2)
        if exit_code == 1:
            assert re.search("1 of 1 runs failed:\n|(2|table-4) could not be made: ", err)
        if exit_code == 2:
            assert len(err.strip("\n").split("\n")) == 1, err
        for name in LEFT:
            content = (out / name).read_bytes()
            assert content == b"old" or len(content) > 100
        assert not list(tmp_path.rglob(".*.partial"))
        if exit_code and command in PREPARE_AGAIN and any((out / name).exists() for name in BEGUN):
            code, _, err = run(PREPARE_AGAIN[command])
            assert code == 0, err
    assert failed
    assert fault.calls < number
