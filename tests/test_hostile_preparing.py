"""Preparing next to other processes, after a kill, over an existing data set, and from unusual files."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from collapse.files.atomic import atomic_directory
from collapse.training.data.load import load_data
from tests.conftest import Collapse
from tests.criteo_rows import criteo_line, write_criteo


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def prepare(collapse: Collapse, source: Path, out: Path, *words: str) -> tuple[int, str, str]:
    return collapse("prepare", "criteo", source, "-o", out, "--min-count", 5, *words)


@pytest.mark.parametrize("link", [False, True], ids=["inside", "by a link"])
def test_a_source_inside_the_folder_is_not_replaced(link: bool, tmp_path: Path, collapse: Collapse) -> None:
    """It would be deleted with the folder."""
    out = tmp_path / "data"
    prepare(collapse, write_criteo(tmp_path / "train.txt"), out)
    inside = Path(shutil.move(tmp_path / "train.txt", out / "train.txt"))
    if link:
        (tmp_path / "link.txt").symlink_to(inside)
    before = inside.read_bytes()
    code, _, err = prepare(collapse, tmp_path / "link.txt" if link else inside, out, "--overwrite")
    assert (code, f"is in {out}, which would be replaced: move it" in err) == (2, True)
    assert inside.read_bytes() == before


def test_of_two_at_once_one_is_refused(tmp_path: Path, collapse: Collapse) -> None:
    source, out = write_criteo(tmp_path / "train.txt"), tmp_path / "data"
    with FileLock(tmp_path / ".data.writing"):
        code, _, err = prepare(collapse, source, out)
    assert (code, f"another process is writing {out}: wait for it" in err) == (2, True)
    assert prepare(collapse, source, out)[0] == 0
    assert names(tmp_path) == ["data", "train.txt"]


def test_what_a_kill_leaves_the_next_clears(tmp_path: Path, collapse: Collapse) -> None:
    """It leaves the temporary folders of other writers alone."""
    source, out = write_criteo(tmp_path / "train.txt"), tmp_path / "data"
    code = (
        "import os, signal, collapse.training.data.store.encoding as encode\n"
        "encode.Encoder.finish = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from collapse.cli import main; main()"
    )
    words = [sys.executable, "-c", code, "prepare", "criteo", str(source), "-o", str(out)]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [name for name in names(tmp_path) if name.endswith(".partial")]
    (tmp_path / ".data.b.abcd1234.partial").mkdir()
    assert prepare(collapse, source, out)[0] == 0
    assert names(tmp_path) == [".data.b.abcd1234.partial", "data", "train.txt"]


def test_the_sentence_about_a_folder_names_the_option(tmp_path: Path, collapse: Collapse) -> None:
    source, out = write_criteo(tmp_path / "train.txt"), tmp_path / "data"
    prepare(collapse, source, out)
    code, _, err = prepare(collapse, source, out)
    assert (code, err) == (
        2,
        f"Error: {out} already exists: choose another folder, or replace it with --overwrite\n",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="exchanges in one step on Linux alone")
def test_replacing_leaves_no_moment_without_a_folder(tmp_path: Path) -> None:
    path, seen, stop = tmp_path / "data", set(), threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.add((path / "a.txt").exists())

    with atomic_directory(path) as folder:
        (folder / "a.txt").write_text("0")
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for number in range(1, 200):
            with atomic_directory(path, overwrite=True) as folder:
                (folder / "a.txt").write_text(str(number))
    finally:
        stop.set()
        watcher.join()
    assert seen == {True}
    assert (path / "a.txt").read_text() == "199"
    assert names(tmp_path) == ["data"]


def test_a_byte_order_mark_is_left_out_and_told(tmp_path: Path, collapse: Collapse) -> None:
    plain = write_criteo(tmp_path / "plain.txt")
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbf" + plain.read_bytes())
    assert "byte-order mark" not in prepare(collapse, plain, tmp_path / "a")[1]
    code, out, _ = prepare(collapse, tmp_path / "marked.txt", tmp_path / "b")
    assert (code, "marked.txt: " in out) == (0, True)
    first, second = load_data(tmp_path / "a"), load_data(tmp_path / "b")
    assert first.data_hash == second.data_hash
    assert second.manifest["sources"][0]["byte_order_mark"] is True
    assert "byte_order_mark" not in first.manifest["sources"][0]


@pytest.mark.parametrize("number", [-(2**63), -(2**63) + 1, -(2**63) - 1, 2**63])
def test_integers_beyond_the_buckets_are_refused(number: int, tmp_path: Path, collapse: Collapse) -> None:
    """V - 2 would overflow to the largest integer."""
    (tmp_path / "train.txt").write_text(criteo_line() + "\n" + criteo_line(I2=str(number)) + "\n")
    code, _, err = prepare(collapse, tmp_path / "train.txt", tmp_path / "data")
    assert (code, f"line 2: column I2 has '{number}', which is not a 64-bit integer" in err) == (2, True)


def test_the_smallest_integer_that_fits(tmp_path: Path, collapse: Collapse) -> None:
    smallest = -(2**63) + 2
    rows = [criteo_line(label=str(n % 2), I2=str(smallest)) for n in range(10)]
    (tmp_path / "train.txt").write_text("\n".join(rows) + "\n")
    assert prepare(collapse, tmp_path / "train.txt", tmp_path / "data")[0] == 0
    assert str(-(2**63)) in load_data(tmp_path / "data").vocabulary()["value"].to_list()


def test_commas_where_tabs_are_expected(tmp_path: Path, collapse: Collapse) -> None:
    (tmp_path / "train.txt").write_text(criteo_line().replace("\t", ",") + "\n")
    code, _, err = prepare(collapse, tmp_path / "train.txt", tmp_path / "data")
    assert code == 2
    assert "line 1: 1 column instead of 40" in err


def test_a_pipe_is_not_waited_for(tmp_path: Path, collapse: Collapse) -> None:
    os.mkfifo(tmp_path / "train.txt")
    code, _, err = prepare(collapse, tmp_path / "train.txt", tmp_path / "data")
    assert (code, "pipe" in err) == (2, True)
