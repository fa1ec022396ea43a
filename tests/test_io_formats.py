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

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import safetensors.numpy
import torch
from pyarrow import feather, orc
from scipy.io import savemat

from collapse import load
from collapse.errors import CollapseError
from tests.conftest import Collapse

X = np.random.default_rng(0).standard_normal((60, 8)).astype("f4")
FRAME = pd.DataFrame({"id": range(60), "embedding": list(X)})
ROWS = "\n".join(f"item{k} " + " ".join(map(str, row)) for k, row in enumerate(X)) + "\n"
Write = Callable[[Path], object]


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item_embedding = torch.nn.Embedding(60, 8)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.item_embedding(ids).sum(-1)  # type: ignore[no-any-return]


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


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(Model().eval(), (torch.tensor([1, 2]),)), path)


# HDF5, TensorFlow, fastText, faiss and the like: their documented first or last bytes, with a body of zeros.
FORMATS: dict[str, tuple[str, Write]] = {
    "TorchScript model": ("a.pt", lambda path: torch.jit.save(torch.jit.script(Model().eval()), path)),
    "torch.export program": ("a.pt2", exported),
    ".keras model": ("a.keras", written(zipped(config_dot_json=b"{}", model_dot_weights_dot_h5=b"\x89HDF"))),
    "NumPy archive": ("a.pt", saved(lambda file: np.savez(file, item=X))),
    "NumPy array": ("a.bin", saved(lambda file: np.save(file, X))),
    "safetensors file": ("a.bin", written(safetensors.numpy.save({"item": X}))),
    "zip archive": ("a.zip", written(zipped(model_dot_txt=b"x"))),
    "HDF5": ("a.h5", written(b"\x89HDF\r\n\x1a\n" + bytes(200))),
    "index of a TensorFlow": ("a.index", written(bytes(60) + bytes.fromhex("57fb808b247547db"))),
    "data file of a TensorFlow": ("a.data-00000-of-00001", written(X.tobytes())),
    "TensorFlow Lite": ("a.tflite", written(b"\x1c\0\0\0TFL3" + bytes(90))),
    "ONNX": ("a.onnx", written(b"\x08\x07\x12\x07pytorch" + bytes(90))),
    "Paddle": ("a.pdparams", written(pickle.dumps({"item": X}))),
    "gensim": ("a.kv", written(b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x19gensim.models.keyedvectors." + bytes(9))),
    "pickle": ("a.pkl", written(pickle.dumps({"item": X}))),
    "Parquet": ("a.parquet", FRAME.to_parquet),
    "Arrow or Feather": ("a.feather", lambda path: feather.write_feather(pa.Table.from_pandas(FRAME), str(path))),
    "ORC": ("a.orc", lambda path: orc.write_table(pa.table({"id": [1, 2]}), str(path))),
    "Avro": ("a.avro", written(b"Obj\x01\x04\x16avro.schema" + bytes(40))),
    "fastText": ("a.ftz", written(struct.pack("<ii", 0x2F4F16BA, 12) + bytes(90))),
    "faiss": ("a.faiss", written(b"IxF2" + struct.pack("<iq", 8, 60) + X.tobytes())),
    "GGUF": ("a.gguf", written(b"GGUF\x03\0\0\0" + bytes(90))),
    "MATLAB": ("a.mat", lambda path: savemat(str(path), {"item": X})),
    "SQLite": ("a.db", database),
    "Flax": ("a.msgpack", written(b"\x81\xa4item\xc4\x02\0\0")),
    "gzip": ("a.txt.gz", written(gzip.compress(ROWS.encode()))),
    "bzip2": ("a.bz2", written(bz2.compress(ROWS.encode()))),
    "xz": ("a.xz", written(lzma.compress(ROWS.encode()))),
    "zstd": ("a.zst", written(b"\x28\xb5\x2f\xfd" + bytes(40))),
    "7z": ("a.7z", written(b"7z\xbc\xaf\x27\x1c" + bytes(40))),
    "tar": ("a.tar", written(tarred())),
    "Git LFS": ("a.pt", written(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")),
    "HTML": ("a.pt", written(b"\n<!DOCTYPE html>\n<html><body>Log in</body></html>")),
    "LightGBM": ("a.lgb", written(b"tree\nversion=v4\nnum_class=1\n")),
    "word2vec": ("a.bin", written(b"60 8\n" + b"".join(b"item " + row.tobytes() + b"\n" for row in X))),
    "word2vec ": ("a.vec", written(f"60 8\n{ROWS}".encode())),
    "GloVe": ("a.txt", written(ROWS.encode())),
    "JSON": ("a.jsonl", lambda path: FRAME.to_json(path, orient="records", lines=True)),
    "CSV": ("a.csv", lambda path: pd.DataFrame(X).to_csv(path)),
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
        (["saved_model.pb"], "TensorFlow SavedModel"),
        (["checkpoint", "model.ckpt-9.index"], "TensorFlow checkpoint folder"),
        ([".snapshot_metadata"], "torchsnapshot"),
        (["key", "emb_vector"], "HugeCTR"),
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


def test_a_prefix_a_url_and_an_empty_file(tmp_path: Path, collapse: Collapse) -> None:
    (tmp_path / "model.index").write_bytes(b"x")
    (tmp_path / "empty.pt").write_bytes(b"")
    for source, words in (
        (tmp_path / "model", "is the prefix of a TensorFlow checkpoint"),
        ("s3://bucket/model.pt", "s3://bucket/model.pt is a URL"),
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
    with pytest.raises(CollapseError, match="holds Python objects"):
        load(tmp_path / "a.npy")


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
    assert len(found["read"]) == 6
    assert len(found["recognised"]) >= 40
    assert all(found["recognised"].values())
