"""Checkpoint folders: shards of rows and columns, and several files of one model."""

import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from collapse import diagnose, load
from collapse.errors import CollapseError
from collapse.io.blocks import Block, BlockTable
from tests.conftest import Collapse


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharded")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.sharded", str(folder), str(port)]
    ran = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.mark.cluster
def test_shards_of_two_ranks(sharded: Path) -> None:
    truth = np.load(sharded / "truth.npz")
    tables = load(sharded / "checkpoint")
    assert tables.description["read as"] == "TorchRec"
    assert set(tables.fields) == {"rows", "columns", "one_row", "whole"}
    for table in tables:
        np.testing.assert_array_equal(table.E[:], truth[table.field])
    assert set(tables.skipped) == {
        "model.bias (1-dimensional)",
        "an optimiser's state (1 tensors: no tables)",
    }
    found = diagnose(tables).set_index("field")["ia"]
    for name, E in truth.items():
        sigma = np.linalg.svd(E.astype(np.float64), compute_uv=False)
        assert found[name] == pytest.approx(sigma.sum() / sigma[0], rel=1e-6)


@pytest.mark.cluster
@pytest.mark.parametrize("name", ["__0_0.distcp", "__1_0.distcp"])
def test_a_part_that_is_missing(name: str, sharded: Path, tmp_path: Path, collapse: Collapse) -> None:
    for file in (sharded / "checkpoint").iterdir():
        if file.name != name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    code, _, err = collapse("analyze", tmp_path)
    assert (code, "Traceback" in err) == (2, False)
    assert name in err


@pytest.mark.cluster
@pytest.mark.parametrize("name", ["__0_0.distcp", "__1_0.distcp", ".metadata"])
@given(place=st.floats(0, 1), bit=st.integers(0, 7))
def test_a_flipped_bit(
    name: str, place: float, bit: int, sharded: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In a shard, the checksum finds it or it is in the padding.

    In the metadata, it never causes a traceback.
    """
    folder = tmp_path_factory.mktemp("flipped")
    for file in (sharded / "checkpoint").iterdir():
        content = bytearray(file.read_bytes())
        if file.name == name:
            content[int(place * (len(content) - 1))] ^= 1 << bit
        (folder / file.name).write_bytes(content)
    try:
        found = diagnose(folder)
    except CollapseError as error:
        told = str(error)
        assert str(folder) in told
    else:
        if name != ".metadata":
            pd.testing.assert_frame_equal(found, diagnose(sharded / "checkpoint"))


def test_no_checkpoint_in_a_folder(tmp_path: Path, collapse: Collapse) -> None:
    code, _, err = collapse("analyze", tmp_path)
    assert code == 2
    assert "checkpoint" in err


def test_a_model_in_several_files(tmp_path: Path) -> None:
    one, two = torch.randn(40, 6), torch.randn(20, 6)
    save_file({"a.word_embeddings.weight": one}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"a.wpe.weight": two, "a.dense.weight": two.clone()}, tmp_path / "model-00002-of-00002.safetensors")
    tables = load(tmp_path)
    assert tables.fields == ("word_embeddings", "wpe")
    assert tables.skipped == ("a.dense.weight (its name does not suggest a table)",)


@given(data=st.data())
def test_a_table_of_blocks_is_the_table(data: st.DataObject) -> None:
    """With any cut along both axes, the rows, columns and single entries are those of the whole table."""
    rows, columns = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 8))
    E = np.arange(rows * columns, dtype=np.float64).reshape(rows, columns)
    cuts = sorted({0, rows, *data.draw(st.lists(st.integers(0, rows), max_size=3))})
    splits = sorted({0, columns, *data.draw(st.lists(st.integers(0, columns), max_size=3))})

    def part(a: int, b: int, c: int, d: int) -> Block:
        return Block(row=a, column=c, shape=(b - a, d - c), read=lambda: E[a:b, c:d])

    blocks = [part(*span, *across) for span in pairwise(cuts) for across in pairwise(splits)]
    table: Any = BlockTable(data.draw(st.permutations(blocks)), E.dtype)
    start, stop = (data.draw(st.integers(-rows, rows)) for _ in range(2))
    np.testing.assert_array_equal(table[start:stop], E[start:stop])
    np.testing.assert_array_equal(table[:, :1], E[:, :1])
    np.testing.assert_array_equal(np.asarray(table), E)
    ids = data.draw(st.lists(st.integers(0, rows - 1), max_size=5))
    np.testing.assert_array_equal(table[np.array(ids, dtype=int)], E[np.array(ids, dtype=int)])


def test_blocks_that_leave_something_out() -> None:
    with pytest.raises(ValueError, match="3 x 2"):
        BlockTable([Block(row=1, column=0, shape=(2, 2), read=lambda: np.ones((2, 2)))], np.dtype("f8"))
