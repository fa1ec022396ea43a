"""The n-th file operation fails: what was there stays, or what is new is whole, and the command says so."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Collapse

OPERATIONS = ((os, "fsync"), (os, "replace"), (os, "rename"), (tempfile, "mkstemp"), (tempfile, "mkdtemp"))
COMMANDS: dict[str, list[str]] = {
    "truncate": ["truncate", "CKPT", "--energy", "0.9", "-o", "OUT/small.pt"],
    "truncate to safetensors": ["truncate", "CKPT", "--energy", "0.9", "-o", "OUT/small.safetensors"],
    "report": ["report", "CKPT", "-o", "OUT/report.html"],
    "a figure": ["analyze", "CKPT", "--figure", "2", "--out", "OUT"],
    "prepare": ["prepare", "table", "TABLE", "--label", "y", "--min-count", "1", "--overwrite", "-o", "OUT/data"],
    "train": ["train", "--model", "fm-2", "--data", "DATA", "--epochs", "2", "--out", "OUT/run"],
}
LEFT = ("report.html", "small.pt", "small.safetensors", "figure-2.png", "figure-2.pdf", "figure-2.csv")


class Fault:
    """Counts calls, and has one of them fail."""

    def __init__(self, number: int) -> None:
        self.number, self.calls = number, 0

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == self.number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "some file")
            return function(*args, **kwargs)

        return counted


@pytest.mark.parametrize("command", COMMANDS)
def test_every_operation_may_fail(
    command: str, trained: dict[str, Path], small_data: Path, tmp_path: Path, collapse: Collapse
) -> None:
    out, table = tmp_path / "out", tmp_path / "t.csv"
    table.write_text("y,a\n" + "".join(f"{n % 2},v{n % 7}\n" for n in range(60)))
    known: dict[str, Any] = {"CKPT": trained["dcnv2-4"], "TABLE": table, "DATA": small_data}
    words = [known.get(word) or word.replace("OUT", str(out)) for word in COMMANDS[command]]
    failed = 0
    for number in range(1, 60):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        for name in LEFT:
            (out / name).write_text("old")
        fault = Fault(number)
        with pytest.MonkeyPatch.context() as patch:
            for module, name in OPERATIONS:
                patch.setattr(module, name, fault(getattr(module, name)))
            exit_code, _, err = collapse(*words)
        if fault.calls < number:
            assert exit_code == 0
            break
        failed += exit_code == 2
        assert exit_code in (0, 2)
        if exit_code == 2:
            assert len(err.strip("\n").split("\n")) == 1, err
        for name in LEFT:
            content = (out / name).read_bytes()
            assert content == b"old" or len(content) > 100
        assert not [path for path in out.iterdir() if path.name.startswith(".") and path.name.endswith(".partial")]
        if command == "prepare" and (out / "data").exists():
            assert collapse("data", out / "data", "--verify")[0] == 0
        if command == "train" and exit_code == 2 and (out / "run" / "config.json").exists():
            assert collapse("train", "--resume", "--out", out / "run")[0] == 0
    assert failed
