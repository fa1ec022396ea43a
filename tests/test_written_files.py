"""Files of other formats, written by the libraries: every table is found, with the library's numbers, bit by bit.

The fast tests read the files in ``tests/data/formats``. The tests of the mark ``libraries`` have the libraries
write them again.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from collapse import diagnose, load
from tests.test_libraries import abundance

SCRIPTS = Path(__file__).parent / "libraries" / "formats"
KEPT = Path(__file__).parent / "data" / "formats"
NEEDS = {
    "indexes": ("faiss", "onnx"),
    "paddle_params": ("paddle",),
    "snapshots": ("torchsnapshot",),
    "tensorflow_keras2": ("tf_keras",),
    "tensorflow_keras3": ("tensorflow",),
    "tensorflow_v1": ("tensorflow",),
    "word_vectors": ("gensim", "fasttext"),
}


def test_every_script_is_run() -> None:
    assert {path.stem for path in SCRIPTS.glob("[a-z]*.py")} == set(NEEDS)


@pytest.mark.parametrize("script", NEEDS)
def test_the_files_that_are_kept(script: str) -> None:
    check(KEPT / script)


@pytest.mark.libraries
@pytest.mark.parametrize("script", NEEDS)
def test_files_written_now(script: str, tmp_path: Path) -> None:
    for package in NEEDS[script]:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: `pip install -e '.[libraries]'`")
    ran = subprocess.run(
        [sys.executable, SCRIPTS / f"{script}.py", tmp_path], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    check(tmp_path)


def check(folder: Path) -> None:
    """Compare the tables of all files in a folder with the numbers in its ``truth.npz``."""
    truth = dict(np.load(folder / "truth.npz"))
    counts = dict(np.load(folder / "counts.npz")) if (folder / "counts.npz").exists() else {}
    files = dict.fromkeys(name.partition("|")[0] for name in truth)
    for file in files:
        if os.fspath(file).endswith((".h5", ".keras")):
            pytest.importorskip("h5py")
        tables = load(folder / file)
        expected = {name.partition("|")[2]: E for name, E in truth.items() if name.startswith(f"{file}|")}
        assert sorted(tables.fields) == sorted(expected), file
        found = diagnose(tables).set_index("field")["ia"]
        for table in tables:
            E = expected[table.field]
            assert np.array_equal(np.asarray(table.E), E), (file, table.field)
            assert np.array_equal(np.asarray(table.E[1:4]), E[1:4])
            assert np.array_equal(np.asarray(table.E[:, 1:3]), E[:, 1:3])
            count = counts.get(f"{file}|{table.field}")
            if count is None or table.row_counts is None:
                assert (count, table.row_counts) == (None, None), (file, table.field)
                assert found[table.field] == pytest.approx(abundance(E), rel=1e-12)
            else:
                assert np.array_equal(table.row_counts, count)
                assert found[table.field] == pytest.approx(abundance(E[count > 0]), rel=1e-12)
