"""Damaged files of other formats: one sentence with the file's name, or tables; bounded work."""

import bz2
import gzip
import json
import lzma
import pickle
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collapse import diagnose, load
from collapse.errors import CollapseError

KEPT = Path(__file__).parent / "data" / "formats"
FILES = [
    "indexes/apart.onnx", "indexes/ids.faiss", "indexes/model.onnx", "paddle_params/model.pdparams",
    "snapshots/chunks", "tensorflow_keras2/functional.h5",
    "tensorflow_keras2/weights", "tensorflow_keras3/checkpoints", "tensorflow_keras3/saved",
    "tensorflow_keras3/towers.keras", "tensorflow_keras3/towers.weights.h5", "tensorflow_v1/deeprec",
    "tensorflow_v1/saver", "word_vectors/apart.kv", "word_vectors/fasttext.bin", "word_vectors/glove.txt",
    "word_vectors/vectors.bin", "word_vectors/vectors.bin.gz", "word_vectors/vectors.txt",
    "word_vectors/vectors.txt.gz", "word_vectors/word2vec.model",
]  # fmt: skip
X = np.random.default_rng(0).standard_normal((60, 8)).astype("f4")
PATIENCE = 10
"""Seconds that a damaged file of a few kilobytes may take on a slow machine."""


def damaged(content: bytes, place: float, how: int, junk: bytes) -> bytes:
    """Flip a bit, cut the end, insert or replace bytes."""
    at = int(place * len(content))
    if how < 8:
        return content[:at] + bytes([content[at] ^ 1 << how]) + content[at + 1 :]
    return content[:at] + (b"" if how == 8 else junk + content[at + (how == 10) * len(junk) :])


def copied(source: Path, folder: Path) -> Path:
    """Copy a file, with those next to it that belong to it, or a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    if source.is_dir():
        return Path(shutil.copytree(source, folder))
    folder.mkdir()
    for file in source.parent.glob(f"{source.name.split('.')[0]}*"):
        if file.is_file():
            shutil.copy(file, folder)
    return folder / source.name


def told(path: Path) -> None:
    begun = time.monotonic()
    sentence = ""
    try:
        diagnose(load(path))
    except CollapseError as error:
        sentence = str(error)
    assert "\n" not in sentence
    assert not sentence or str(path.parent) in sentence
    assert time.monotonic() - begun < PATIENCE


@pytest.mark.parametrize("name", FILES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.floats(0, 1, exclude_max=True),
    how=st.integers(0, 10),
    junk=st.binary(min_size=1, max_size=9) | st.sampled_from([b"\xff" * 8, b"\x7f" * 4, b"\0" * 8]),
    number=st.integers(0, 9),
)
def test_damaged_files(name: str, place: float, how: int, junk: bytes, number: int, tmp_path: Path) -> None:
    path = copied(KEPT / name, tmp_path / "copy")
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    file = files[number % len(files)]
    file.write_bytes(damaged(file.read_bytes(), place, how, junk))
    told(path)


@pytest.mark.parametrize("name", ["tensorflow_v1/saver", "tensorflow_keras3/checkpoints"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), index=st.booleans())
def test_a_flipped_bit_in_a_checkpoint_of_tensorflow_is_noticed(
    name: str, place: float, bit: int, index: bool, tmp_path: Path
) -> None:
    """Unless it is in something else than a table, such as the state of an optimiser."""
    path = copied(KEPT / name, tmp_path / "copy")
    (file,) = path.glob("*.index" if index else "*.data-*")
    file.write_bytes(damaged(file.read_bytes(), place, bit, b""))
    try:
        found = load(path)
    except CollapseError:
        return
    expected = load(KEPT / name)
    assert found.fields == expected.fields
    assert all(np.array_equal(a.E, b.E) for a, b in zip(found, expected, strict=True))


def varint(value: int) -> bytes:
    parts = [value >> shift & 0x7F for shift in range(0, 63, 7)]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return bytes([part | 0x80 for part in parts[:-1]] + parts[-1:])


def sized(rows: int, columns: int) -> dict[str, bytes]:
    """Return headers that ask for a table of any size, without its numbers."""
    faiss = b"IxF2" + struct.pack("<iqqq?iq", columns, rows, 0, 0, True, 1, rows * columns)
    shape = b"".join(b"\x08" + varint(size) for size in (rows, columns))
    tensor = shape + b"\x10\x01" + b"\x42\x05x_emb" + b"\x4a\x04" + bytes(4)
    graph = b"\x2a" + varint(len(tensor)) + tensor
    return {
        "a.bin": f"{rows} {columns}\n".encode() + b"w " + bytes(40),
        "a.vec": f"{rows} {columns}\nw 1.0 2.0\n".encode(),
        "a.faiss": faiss + bytes(40),
        "a.onnx": b"\x08\x07\x3a" + varint(len(graph)) + graph,
        "a.npy": b"\x93NUMPY\x01\0v\0"
        + f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}".ljust(117).encode()
        + b"\n"
        + bytes(40),
    }


@pytest.mark.parametrize("name", sized(1, 1))
@pytest.mark.parametrize(("rows", "columns"), [(1 << 30, 8), (1 << 40, 1 << 20), (3, 1 << 30), (1 << 62, 1)])
def test_sizes_in_headers_are_checked_before_memory_is_taken(
    name: str, rows: int, columns: int, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(sized(rows, columns)[name])
    with pytest.raises(CollapseError):
        load(path)
    told(path)


def bomb(content: bytes) -> bytes:
    return content * (1 << 18)


BOMBS: dict[str, Callable[[Path], object]] = {
    "a.txt.gz": lambda path: path.write_bytes(gzip.compress(b"2000000 4\n" + bomb(b"w 0.0 0.0 0.0 0.0\n"))),
    "a.txt.bz2": lambda path: path.write_bytes(bz2.compress(b"2000000 4\n" + bomb(b"w 0.0 0.0 0.0 0.0\n"))),
    "a.txt.xz": lambda path: path.write_bytes(lzma.compress(b"2000000 4\n" + bomb(b"w 0.0 0.0 0.0 0.0\n"))),
    "a.bin.gz": lambda path: path.write_bytes(gzip.compress(b"9999999 4\n" + b"w " + bomb(bytes(64)))),
    "line.gz": lambda path: path.write_bytes(gzip.compress(b"2 4\n" + bomb(b"0.0 " * 32))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_unpacks_to_far_more_is_refused(name: str, tmp_path: Path) -> None:
    BOMBS[name](tmp_path / name)
    with pytest.raises(CollapseError, match=r"unpacks to more than|is longer than|not supported"):
        load(tmp_path / name)


def test_a_data_set_that_stores_nothing_is_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("user_emb/embeddings", (1 << 40, 64), "f4", chunks=(1 << 10, 64))
        file["item_emb/embeddings"] = X
    tables = load(tmp_path / "a.h5")
    assert tables.fields == ("item_emb",)
    assert tables.unread == {"user_emb/embeddings": "far larger than what is stored of it"}


def test_links_of_hdf5_are_not_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret_emb"] = X
    (tmp_path / "raw").write_bytes(X.tobytes())
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["item_emb"] = X
        file["linked_emb"] = h5py.ExternalLink("other.h5", "secret_emb")
        file["soft_emb"] = h5py.SoftLink("/item_emb")
        file.create_dataset("raw_emb", X.shape, "f4", external=[(tmp_path / "raw", 0, X.nbytes)])
    tables = load(tmp_path / "a.h5")
    assert tables.fields == ("item_emb",)
    assert tables.unread == {"raw_emb": "in another file"}


def test_compressed_data_sets_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("item_emb/embeddings", data=X, compression="gzip", chunks=(7, 8))
    (table,) = load(tmp_path / "a.h5").tables
    assert np.array_equal(np.asarray(table.E), X)
    assert np.array_equal(np.asarray(table.E[5:20]), X[5:20])


def outside(path: Path, name: str) -> None:
    """Write files whose entries lead out of their folder."""
    if name == "onnx":
        entry = b"\x0a\x08location\x12\x0a../secret "
        tensor = b"\x08\x3c\x08\x08\x10\x01\x42\x05x_emb\x6a" + varint(len(entry)) + entry
        graph = b"\x2a" + varint(len(tensor)) + tensor
        path.write_bytes(b"\x08\x07\x3a" + varint(len(graph)) + graph)
    elif name == "snapshot":
        path.mkdir()
        entry_ = {
            "type": "Tensor", "serializer": "buffer_protocol", "dtype": "torch.float32", "shape": [60, 8],
            "location": "../secret ", "byte_range": None,
        }  # fmt: skip
        (path / ".snapshot_metadata").write_text(json.dumps({"manifest": {"0/x_emb": entry_}}))


@pytest.mark.parametrize("name", ["onnx", "snapshot"])
def test_no_file_leads_out_of_its_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret ").write_bytes(X.tobytes())
    (tmp_path / "model").mkdir()
    path = tmp_path / "model" / {"onnx": "a.onnx", "snapshot": "folder"}[name]
    outside(path, name)
    with pytest.raises(CollapseError, match="outside of the"):
        load(path)


class Ran:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize("name", ["a.pkl", "a.pdparams"])
def test_no_code_of_a_pickle_is_run(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"user_emb": X, "run": Ran()}))
    assert load(tmp_path / name).fields == ("user_emb",)
    (tmp_path / name).write_bytes(pickle.dumps({"of": "gensim.models.keyedvectors", "run": Ran()}))
    with pytest.raises(CollapseError, match="without vectors"):
        load(tmp_path / name)


def test_a_side_car_of_gensim_is_next_to_it(tmp_path: Path) -> None:
    path = copied(KEPT / "word_vectors" / "apart.kv", tmp_path / "copy")
    (path.parent / "apart.kv.vectors.npy").unlink()
    with pytest.raises(CollapseError, match=r"apart\.kv\.vectors\.npy is missing"):
        load(path)


@pytest.mark.parametrize("name", ["vect/rs", "../tors", "/vectors", "v" * 300, "vect\0rs", "", ".", "vect\nrs"])
def test_a_model_of_gensim_that_names_any_side_car(name: str, tmp_path: Path) -> None:
    path = copied(KEPT / "word_vectors" / "apart.kv", tmp_path / "copy")
    content, vectors = path.read_bytes(), b"\x8c\x07vectors"
    assert content.count(vectors) == 1
    # Without the frame, whose length would no longer be right.
    unframed = content[:2] + content[11:]
    path.write_bytes(unframed.replace(vectors, b"X" + len(name).to_bytes(4, "little") + name.encode()))
    with pytest.raises(CollapseError):
        load(path)
    told(path)


def test_a_keras_model_that_is_compressed_says_so(tmp_path: Path) -> None:
    source = zipfile.ZipFile(KEPT / "tensorflow_keras3" / "towers.keras")
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    with pytest.raises(CollapseError, match=r"unpack it, and pass model\.weights\.h5"):
        load(tmp_path / "a.keras")


def test_text_with_a_damaged_line_names_it(tmp_path: Path) -> None:
    lines = [f"w{row} " + " ".join(f"{x:.4f}" for x in X[row]) for row in range(60)]
    for number, line in ((7, "w7 1.0 2.0"), (9, "w9 " + "x " * 8), (11, "")):
        changed = [*lines[:number], line, *lines[number + 1 :]]
        (tmp_path / "a.vec").write_text(f"{60} 8\n" + "\n".join(changed))
        with pytest.raises(CollapseError, match=rf"line {number + 2} does not|has 59 rows instead of 60"):
            load(tmp_path / "a.vec")


def test_equal_numbers_in_a_small_parquet_file_do_not_fill_the_disk(tmp_path: Path) -> None:
    frame = pd.DataFrame({f"e{k}": np.zeros(3_000_000) for k in range(8)})
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(CollapseError, match="unpacks to more than"):
        load(tmp_path / "a.parquet")
