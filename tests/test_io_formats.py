"""Formats are recognised by content before any reader runs, and none is called damaged."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import safetensors.numpy
import torch
from pyarrow import orc
from scipy.io import savemat

from collapse import load
from collapse.errors import CollapseError
from collapse.io.readers.selection import Selection
from tests.conftest import Collapse

X = np.random.default_rng(0).standard_normal((60, 8)).astype("f4")
FRAME = pd.DataFrame({"id": range(60), "embedding": list(X)})
ROWS = "\n".join(f"item{k} " + " ".join(map(str, row)) for k, row in enumerate(X)) + "\n"
Write = Callable[[Path], object]


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.items = torch.nn.Embedding(60, 8)
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.layer(self.items(ids))  # type: ignore[no-any-return]


def written(content: bytes) -> Write:
    return lambda path: path.write_bytes(content)


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pt"))
    return file.getvalue()


def saved(save: Callable[[io.BytesIO], object]) -> Write:
    file = io.BytesIO()
    save(file)
    return written(file.getvalue())


def database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE vectors (id INTEGER)")
    connection.commit()
    connection.close()


# faiss, GGUF and the like: their documented first or last bytes, with a body of zeros.
FORMATS: dict[str, tuple[str, Write]] = {
    "zip archive": ("a.zip", written(zipped(model_dot_txt=b"x"))),
    "TensorFlow Lite": ("a.tflite", written(b"\x1c\0\0\0TFL3" + bytes(90))),
    "ORC": ("a.orc", lambda path: orc.write_table(pa.table({"id": [1, 2]}), str(path))),
    "Avro": ("a.avro", written(b"Obj\x01\x04\x16avro.schema" + bytes(40))),
    "faiss": ("a.faiss", written(b"IxPq" + struct.pack("<iq", 8, 60) + X.tobytes())),
    "GGUF": ("a.gguf", written(b"GGUF\x03\0\0\0" + bytes(90))),
    "MATLAB": ("a.mat", lambda path: savemat(str(path), {"item": X})),
    "SQLite": ("a.db", database),
    "Flax": ("a.msgpack", written(b"\x81\xa4item\xc4\x02\0\0")),
    "gzip": ("a.txt.gz", written(gzip.compress(b"model: dcnv2\n" * 9))),
    "bzip2": ("a.bz2", written(bz2.compress(b"model: dcnv2\n" * 9))),
    "xz": ("a.xz", written(lzma.compress(b"model: dcnv2\n" * 9))),
    "zstd": ("a.zst", written(b"\x28\xb5\x2f\xfd" + bytes(40))),
    "7z": ("a.7z", written(b"7z\xbc\xaf\x27\x1c" + bytes(40))),
    "tar": ("a.tar", written(tarred())),
    "Git LFS": ("a.pt", written(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")),
    "HTML": ("a.pt", written(b"\n<!DOCTYPE html>\n<html><body>Log in</body></html>")),
    "LightGBM": ("a.lgb", written(b"tree\nversion=v4\nnum_class=1\n")),
    "JSON": ("a.json", written(b'{"model": "dcnv2", "K": 10}')),
    "text file": ("a.yaml", written(b"model: dcnv2\nsize: 8\n")),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("word", FORMATS)
def test_a_format_that_is_not_read_is_named_with_a_way_on(word: str, tmp_path: Path, collapse: Collapse) -> None:
    name, write = FORMATS[word]
    write(tmp_path / name)
    code, out, err = collapse("analyze", tmp_path / name)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"Error: {tmp_path / name} is ")
    assert word.strip() in err
    assert "which is not supported: " in err
    assert "damaged" not in err
    assert "FILE" not in err


@pytest.mark.parametrize(
    ("files", "word"),
    [
        (["_METADATA"], "Orbax"),
        ([".zgroup"], "Zarr"),
        ([".zarray"], "Zarr"),
        (["_versions", "data"], "Lance"),
    ],
)
def test_folders(files: list[str], word: str, tmp_path: Path) -> None:
    for file in files:
        (tmp_path / file).write_bytes(b"")
    with pytest.raises(CollapseError, match=f"is an? {word}.*which is not supported"):
        load(tmp_path)


def test_a_url_and_an_empty_file(tmp_path: Path, collapse: Collapse) -> None:
    (tmp_path / "empty.pt").write_bytes(b"")
    for source, words in (
        ("nowhere://bucket//model.pt", "nowhere://bucket//model.pt has the unknown protocol"),
        (tmp_path / "empty.pt", "is empty"),
    ):
        code, _, err = collapse("analyze", source)
        assert (code, words in err) == (2, True)


def test_objects_among_arrays_deny_no_table(tmp_path: Path) -> None:
    ids = np.array([f"item{k}" for k in range(60)], dtype=object)
    np.savez(tmp_path / "a.npz", embeddings=X, ids=ids)
    tables = load(tmp_path / "a.npz")
    assert tables.fields == ("embeddings",)
    assert tables.skipped == ("ids (an array of Python objects)",)
    np.save(tmp_path / "a.npy", ids, allow_pickle=True)
    with pytest.raises(CollapseError, match="holds Python objects, and no table of numbers among them"):
        load(tmp_path / "a.npy")


def test_tables_of_objects_are_read(tmp_path: Path) -> None:
    """NumPy pickles rows that are arrays of their own, and dictionaries, into an array of objects."""
    rows = np.empty(60, object)
    rows[:] = list(X)
    np.save(tmp_path / "rows.npy", rows, allow_pickle=True)
    np.savez(tmp_path / "rows.npz", allow_pickle=True, rows=rows)
    by_id: Any = dict(enumerate(X))
    by_name: Any = {"user": X, "item": X[:20]}
    np.save(tmp_path / "by_id.npy", by_id, allow_pickle=True)
    np.save(tmp_path / "by_name.npy", by_name, allow_pickle=True)
    for name in ("rows.npy", "rows.npz", "by_id.npy"):
        (table,) = load(tmp_path / name).tables
        assert np.array_equal(table.E, X)
    assert load(tmp_path / "by_name.npy").fields == ("user", "item")
    (tmp_path / "by_id.pkl").write_bytes(pickle.dumps(by_id))
    assert np.array_equal(load(tmp_path / "by_id.pkl").tables[0].E, X)


@pytest.mark.filterwarnings("ignore")
def test_programs_of_torch(tmp_path: Path) -> None:
    model = Model().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "scripted.pt")
    torch.jit.save(
        torch.jit.trace(model, torch.tensor([1, 2])),  # type: ignore[no-untyped-call]
        tmp_path / "traced.pt",
    )
    torch.export.save(torch.export.export(model, (torch.tensor([1, 2]),)), tmp_path / "exported.pt2")
    for name, selection in (
        ("scripted.pt", None),
        ("traced.pt", None),
        ("exported.pt2", Selection(table="items")),
    ):
        (table,) = load(tmp_path / name, selection=selection).tables
        assert table.field == "items"
        assert np.array_equal(table.E, model.items.weight.detach())


def test_what_is_read_passes(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X.astype(">f4"))
    np.savez(tmp_path / "a.npz", item=X)
    safetensors.numpy.save_file({"item": X}, tmp_path / "a.safetensors")
    torch.save({"item_emb": torch.from_numpy(X)}, tmp_path / "a.pt")
    torch.save({"item_emb": torch.from_numpy(X)}, tmp_path / "b.pt", _use_new_zipfile_serialization=False)
    for name in ("a.npy", "a.npz", "a.safetensors", "a.pt", "b.pt"):
        (table,) = load(tmp_path / name).tables
        assert np.array_equal(table.E[:], X)


def test_json_of_a_run_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model": "dcnv2"}))
    with pytest.raises(CollapseError, match="is a JSON file, which is not supported: pass the checkpoint"):
        load(tmp_path / "config.json")


def test_the_list(collapse: Collapse) -> None:
    code, out, err = collapse("formats")
    assert (code, err) == (0, "")
    assert "a .safetensors file" in out
    found = json.loads(collapse("formats", "--json")[1])
    assert len(found["read"]) >= 15
    assert len(found["recognised"]) >= 20
    assert all(found["recognised"].values())
