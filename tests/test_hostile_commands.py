"""The command line with arbitrary names, unwritable outputs and impossible requests."""

import errno
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.files.csv_cells import csv_text, plain_cells, write_csv
from collapse.io.checkpoint.file import load_checkpoint, save_checkpoint
from collapse.paper.making import display_of
from collapse.printable import printable
from collapse.training.data import load
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.registry import model_config
from collapse.training.models.size import model_bytes
from tests.conftest import Collapse

NAMES = ("\x1b[31mred\x07", "=cmd|' /C calc'!A0", "$x$ and $\\frac$")


@pytest.fixture
def odd(trained: dict[str, Path], tmp_path: Path) -> Path:
    """Return a checkpoint whose names contain terminal commands, a formula, and mathematical signs."""
    path = tmp_path / "odd.pt"
    save_checkpoint(path, replace(load_checkpoint(trained["dcnv2-4"]), fields=NAMES))
    return path


class TestNames:
    def test_on_the_terminal(self, odd: Path, collapse: Collapse) -> None:
        code, out, err = collapse("analyze", odd)
        assert (code, err) == (0, "")
        # Colours are left out where the output is no terminal.
        assert r"red\x07" in out
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", out)
        fields = json.loads(collapse("analyze", odd, "--json")[1])["fields"]
        assert [field["field"] for field in fields] == list(NAMES)
        code, _, err = collapse("analyze", odd, "--fail-if", "ia > 0")
        assert code == 1
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", err)

    def test_in_a_spreadsheet(self, odd: Path, tmp_path: Path, collapse: Collapse) -> None:
        code, out, _ = collapse("analyze", odd, "--csv", "--figure", "2")
        assert code == 0
        for text in (out, (tmp_path / "figure-2.csv").read_text()):
            assert "'=cmd|" in text
            assert not re.search(r"(^|,)\"?=", text, re.MULTILINE)

    def test_in_a_figure(self, odd: Path, tmp_path: Path, collapse: Collapse) -> None:
        """Two dollar signs do not make a formula, and the table draws the figure again."""
        code, _, err = collapse("analyze", odd, "--figure", "2", "--figure", "3")
        assert (code, err) == (0, "")
        display = display_of("2").from_csv(tmp_path / "figure-2.csv")
        assert set(display.table["field"]) == set(NAMES)
        shown = [label.get_text() for label in display.plot().axes_[0].get_xticklabels()]
        assert any(r"\$x\$ and \$\frac\$" in text for text in shown)
        assert any(r"\x1b[31mred\x07" in text for text in shown)

    @given(st.text())
    def test_visible_text_prints_and_keeps_its_lines(self, text: str) -> None:
        found = printable(text)
        assert all(sign.isprintable() or sign in "\n\t" for sign in found)
        assert found.count("\n") == text.count("\n")
        assert printable(found) == found

    @given(st.lists(st.text(alphabet="=+-@'\t a1,\"", max_size=4), min_size=1))
    def test_cells_come_back_from_a_csv(self, cells: list[str]) -> None:
        """Except for cells that began with ' and a formula sign, because the writer adds that '."""
        table = pd.DataFrame({"name": cells, "number": range(len(cells))})
        expected = [cell for cell in cells if not re.match(r"'[=+\-@\t]", cell)]
        table = table[table["name"].isin(expected)]
        text = csv_text(table)
        assert not re.search(r"^\"?[=+\-@\t]", text, re.MULTILINE)
        assert plain_cells(table).equals(table)


def run(*words: str, **options: object) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "collapse", *words]
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=120, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
class TestOutput:
    @pytest.mark.parametrize("form", ["--json", "--csv", "--markdown"])
    def test_full(self, form: str, trained: dict[str, Path]) -> None:
        with Path("/dev/full").open("w") as full:
            done = run("analyze", str(trained["dcnv2-4"]), form, stdout=full)
        assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
        assert done.stderr == b"Error: cannot write to standard output: no space left on device\n"

    def test_closed_by_its_reader(self, trained: dict[str, Path]) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            done = run("analyze", str(trained["dcnv2-4"]), stdout=writer)
        finally:
            os.close(writer)
        assert (done.returncode, done.stderr) == (0, b"")

    def test_closed_from_the_start(self, trained: dict[str, Path]) -> None:
        words = f'"{sys.executable}" -m collapse analyze "{trained["dcnv2-4"]}" >&-'
        done = subprocess.run(["bash", "-c", words], stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr) == (0, b"")

    def test_a_path_that_is_not_text(self, trained: dict[str, Path], tmp_path: Path) -> None:
        path = os.fsencode(tmp_path) + b"/a\xff.pt"
        Path(os.fsdecode(path)).write_bytes(trained["dcnv2-4"].read_bytes())
        done = subprocess.run(
            [sys.executable, "-m", "collapse", "analyze", path], capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert rb"a\xff.pt" in done.stdout
        table = os.fsencode(tmp_path) + b"/b\xff.npy"
        with Path(os.fsdecode(table)).open("wb") as file:
            np.save(file, np.eye(4))
        done = subprocess.run(
            [sys.executable, "-m", "collapse", "analyze", table], capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")


class TestLimits:
    @pytest.mark.parametrize("words", [["--scale", "100000000"], ["--sets", "1000000000"]], ids=["scale", "sets"])
    def test_what_does_not_fit_is_refused_first(
        self, words: list[str], small_data: Path, tmp_path: Path, collapse: Collapse
    ) -> None:
        code, out, err = collapse("train", "--data", small_data, "--out", tmp_path / "run", *words)
        assert (code, out) == (2, "")
        assert re.search(r"takes [\d,.]+ GB of memory, but only [\d,.]+ GB are free: choose a smaller", err)
        assert not (tmp_path / "run").exists()

    def test_the_toy_experiment(self, tmp_path: Path, collapse: Collapse) -> None:
        code, _, err = collapse("toy", "--cardinality", 10**7, "--out", tmp_path)
        assert (code, "GB are free" in err) == (2, True)

    @pytest.mark.parametrize("name", ["dcnv2-4", "dcnv2-4x3", "ffm-2x2", "xdeepfm-4x3", "fm-3", "dnn-4x2"])
    @pytest.mark.parametrize("kind", ["separate", "shared"])
    def test_the_bytes_are_those_of_the_model(self, name: str, kind: str) -> None:
        config = model_config(name)
        if kind == "shared" and config.sets > 1:
            config = replace(config, interactions="shared")
        D = (5, 41, 300)
        parameters = sum(each.numel() for each in MultiEmbeddingModel(D, config).parameters())
        assert model_bytes(D, config) == 4 * parameters

    def test_a_model_that_looks_at_numbers_as_it_is_made(
        self, tmp_path: Path, small_data: Path, collapse: Collapse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It cannot be built from shapes alone, so its tables are counted, and it trains."""
        (tmp_path / "looks.py").write_text(
            "from collapse import Interaction\n"
            "import torch\n\n\n"
            "class Looks(Interaction):\n"
            '    """h = e."""\n\n'
            "    def __init__(self, n_fields, embedding_size, config):\n"
            "        super().__init__(n_fields, embedding_size, config)\n"
            "        assert torch.ones(3).sum().item() == 3\n"
            "        self.widths = {'h': n_fields * embedding_size}\n\n"
            "    def forward(self, e_BNK):\n"
            "        return {'h': e_BNK.flatten(1)}\n"
        )
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", list(sys.path))
        words = ["--model", "looks:Looks", "--epochs", 1, "--out", tmp_path / "run"]
        code, _, err = collapse("train", "--data", small_data, *words)
        assert (code, err) == (0, "")

    @pytest.mark.parametrize("device", ["mps", "xpu", "hpu", "meta", "cpu:3", "toaster", "cuda:x", ""])
    def test_devices(self, device: str, small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
        words = ["train", "--data", small_data, "--device", device, "--out", tmp_path / "run"]
        code, out, err = collapse(*words)
        assert (code, out) == (2, "")
        assert "cuda" in err
        assert not (tmp_path / "run").exists()

    def test_a_model_that_is_not_there(self, small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
        for name in ("nope", "nope:Class", "json:nope"):
            code, out, _ = collapse("train", "--data", small_data, "--model", name, "--out", tmp_path / "run")
            assert (code, out) == (2, "")
        assert list(tmp_path.iterdir()) == []


def test_of_several_figures_those_that_can_be_are_drawn(
    trained: dict[str, Path], tmp_path: Path, collapse: Collapse
) -> None:
    words = ["--figure", "2", "--figure", "10a", "--figure", "1b", "--out", tmp_path]
    code, out, err = collapse("analyze", trained["dcnv2-4"], trained["dcnv2-8"], *words)
    assert code == 2
    assert "figure 10a" in err
    assert {path.name for path in tmp_path.glob("*.png")} == {"figure-2.png", "figure-1b.png"}
    assert "figure-1b.png" in out


class TestCache:
    NAME = "synthetic-avazu:0.0003"

    @pytest.fixture
    def lock(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileLock:
        """Return the lock under which the data set is prepared; it was prepared once."""
        monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path))
        name = load.load_data(self.NAME).path.name
        return FileLock(tmp_path / f".{name}.lock", is_singleton=False)

    def test_one_that_is_whole_is_opened_without_its_lock(
        self, lock: FileLock, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """For example from a cache that cannot be written to."""
        with lock:
            assert load.load_data(self.NAME).rows > 0
        assert capfd.readouterr().err == ""

    def test_one_that_cannot_be_locked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(*_: object) -> None:
            raise OSError(errno.ENOSYS, "no locks here")

        monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path))
        monkeypatch.setattr(fcntl, "flock", refused)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                # Recent releases of filelock take a lock of another kind there.
                assert load.load_data(self.NAME).rows > 0
            except CollapseError as error:
                assert "COLLAPSE_CACHE" in str(error)  # noqa: PT017

    def test_one_that_another_holds_without_end(
        self, lock: FileLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(load, "WAIT_QUIETLY_SECONDS", 0.01)
        monkeypatch.setattr(load, "WAIT_SECONDS", 0.05)
        shutil.rmtree(load.load_data(self.NAME).path)
        with lock, pytest.raises(Exception, match="synthetic-avazu"):
            load.load_data(self.NAME)
        assert "waiting for it" in capfd.readouterr().err


WRITING = {
    "truncate": ["truncate", "CKPT", "-o", "OUT"],
    "report": ["report", "CKPT", "-o", "OUT"],
    "analyze": ["analyze", "CKPT", "--parquet", "OUT"],
    "a figure": ["analyze", "CKPT", "--figure", "2", "--out", "OUT"],
    "the toy": ["toy", "--iterations", "10", "--seeds", "2", "--out", "OUT"],
    "prepare": ["prepare", "synthetic", "--scale", "0.001", "--rows", "200", "-o", "OUT"],
    "prepare anew": ["prepare", "synthetic", "--scale", "0.001", "--rows", "200", "--overwrite", "-o", "OUT"],
    "raw rows": ["prepare", "synthetic", "--scale", "0.001", "--rows", "200", "-o", "PREPARED", "--raw", "OUT"],
    "train": ["train", "--model", "fm-2", "--data", "DATA", "--epochs", "1", "--out", "OUT"],
    "sweep": ["sweep", "2", "--data", "DATA", "--base-size", "1", "--out", "OUT"],
    "reproduce": ["reproduce", "--data", "DATA", "--base-size", "1", "--out", "OUT"],
}


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        *((each, "a pipe") for each in WRITING),
        *((each, "a link to a device") for each in ("truncate", "prepare anew")),
    ],
)
def test_no_output_replaces_what_is_not_a_file(
    command: str, kind: str, trained: dict[str, Path], small_data: Path, tmp_path: Path, collapse: Collapse
) -> None:
    out = tmp_path / "out"
    if kind == "a pipe":
        os.mkfifo(out)
    else:
        out.symlink_to("/dev/null")
    before = out.lstat().st_mode
    known = {"CKPT": trained["dcnv2-4"], "DATA": small_data, "OUT": out, "PREPARED": tmp_path / "prepared"}
    code, _, err = collapse(*(known.get(word, word) for word in WRITING[command]))
    assert code == 2
    assert str(out) in err
    assert len(err.strip().splitlines()) == 1
    assert out.lstat().st_mode == before
    assert not [path.name for path in tmp_path.iterdir() if path.name != "out"]


def test_a_table_is_written_whole(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", pd.DataFrame({"label": ["-x", "b"], "value": [-1.5, 2.0]}))
    assert (tmp_path / "a.csv").read_text() == "label,value\n'-x,-1.5\nb,2.0\n"


@pytest.mark.parametrize("closed", ["2>&-", "0<&-", "1>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams(closed: str, trained: dict[str, Path]) -> None:
    """Output is discarded, no opened file replaces a stream, and the exit code is the command's."""
    shell = f'"{sys.executable}" -m collapse analyze "{trained["dcnv2-4"]}" {closed}'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert ("customer" in done.stdout) == ("1>&-" not in closed)
    refused = subprocess.run(["bash", "-c", shell.replace("analyze", "analyse")], capture_output=True, check=False)
    assert refused.returncode == 2


def test_another_backend_of_matplotlib(trained: dict[str, Path], tmp_path: Path) -> None:
    """No window opens, whatever backend the environment names."""
    words = [sys.executable, "-m", "collapse", "analyze", str(trained["dcnv2-4"]), "--figure", "2", "--out", "f"]
    done = subprocess.run(
        words, env={**os.environ, "MPLBACKEND": "foo"}, cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "f" / "figure-2.png").stat().st_size > 1000


def test_a_handful_of_open_files(trained: dict[str, Path], tmp_path: Path) -> None:
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8)); import collapse.cli as c; c.main()"
    )
    words = [sys.executable, "-c", script, "analyze", str(trained["dcnv2-4"])]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 1


def test_preparing_with_a_handful_of_open_files(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("y,a\n" + "0,b\n1,c\n" * 30)
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24)); import collapse.cli as c; c.main()"
    )
    words = [sys.executable, "-c", script, "prepare", "table", "t.csv", "--label", "y", "-o", "data"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: preparing a data set opens up to 32 files at a time, but this process may open only 24: "
        "raise the limit with `ulimit -n 32`\n"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_a_panic_of_polars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collapse: Collapse) -> None:
    """A panic is not an Exception, and occurs when no more files can be opened."""

    def panic(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException("called `Result::unwrap()`: too many open files")

    (tmp_path / "t.csv").write_text("y,a\n" + "0,b\n1,c\n" * 30)
    monkeypatch.setattr(pl.DataFrame, "filter", panic)
    code, _, err = collapse("prepare", "table", tmp_path / "t.csv", "--label", "y", "-o", tmp_path / "data")
    assert (code, err) == (2, "Error: Polars failed: 'called `Result::unwrap()`: too many open files'\n")


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_is_closed(small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
    shutil.copytree(small_data, tmp_path / "closed")
    (tmp_path / "closed").chmod(0)
    try:
        for words in (
            ("data", tmp_path / "closed"),
            ("train", "--data", tmp_path / "closed", "--out", tmp_path / "o"),
        ):
            code, _, err = collapse(*words)
            assert (code, "ermission" in err) == (2, True)
    finally:
        (tmp_path / "closed").chmod(0o700)
