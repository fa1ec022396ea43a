"""Checkpoints behind URLs: the same tables as on this machine, in parts where the format allows it."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import torch
from torch.distributed.checkpoint.state_dict_saver import save

from collapse import diagnose, load
from collapse.errors import CollapseError
from collapse.files.urls import Url, path_or_url
from collapse.io.blocks import BlockTable
from collapse.io.remote.place import RemotePlace
from tests.conftest import Collapse

X = np.random.default_rng(0).standard_normal((3000, 8)).astype("f4")
KEPT = Path(__file__).parent / "data" / "formats"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "urls"


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/", recursive=True)


def put(files: Any, local: Path, name: str) -> str:
    files.put(str(local), f"/bucket/{name}", recursive=local.is_dir())
    return f"memory://bucket/{name}"


@pytest.mark.parametrize("name", ["a.safetensors", "a.npy", "folder"])
@pytest.mark.filterwarnings("ignore")
def test_tables_are_read_in_parts(
    name: str, tmp_path: Path, memory: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "folder":
        save({"user_emb": torch.from_numpy(X)}, checkpoint_id=tmp_path / name)
    elif name == "a.npy":
        np.save(tmp_path / name, X)
    else:
        safetensors.numpy.save_file({"user_emb": X, "unused": np.zeros((4000, 800))}, tmp_path / name)
    url = put(memory, tmp_path / name, name)
    fetched: list[int] = []
    read = RemotePlace.read

    def counted(place: RemotePlace, first: int, last: int) -> bytes:
        fetched.append(last - first)
        return read(place, first, last)

    monkeypatch.setattr(RemotePlace, "read", counted)
    (table,) = load(url).tables
    assert isinstance(table.E, BlockTable)
    pd.testing.assert_frame_equal(diagnose(url), diagnose(tmp_path / name), check_exact=False, rtol=1e-12)
    assert np.array_equal(table.E[:], X)
    assert sum(fetched) < 6 * X.nbytes
    assert not cache.exists()


def test_other_files_are_copied_once_while_they_stay_the_same(
    tmp_path: Path, memory: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"user_emb": torch.from_numpy(X)}, tmp_path / "a.pt")
    url = put(memory, tmp_path / "a.pt", "a.pt")
    tables = load(url)
    assert (tables.source, tables.name) == (url, "a")
    assert np.array_equal(tables.tables[0].E, X)
    (copy,) = cache.rglob("*.pt")
    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "open", lambda *_, **__: pytest.fail("it was read again"))
        load(url)
    torch.save({"user_emb": torch.from_numpy(2 * X)}, tmp_path / "a.pt")
    put(memory, tmp_path / "a.pt", "a.pt")
    assert np.array_equal(load(url).tables[0].E, 2 * X)
    assert copy.exists()
    assert not list(cache.rglob("*.partial"))


def test_our_own_checkpoint_keeps_its_name(trained: dict[str, Path], memory: Any) -> None:
    path = trained["dcnv2-4x2"]
    found, expected = load(put(memory, path, "best.pt")), load(path)
    assert (found.name, found.fields) == (expected.name, expected.fields)


@pytest.mark.parametrize("name", ["saved", "checkpoints"])
def test_folders_of_tensorflow(name: str, memory: Any) -> None:
    folder = KEPT / "tensorflow_keras3" / name
    url = put(memory, folder, name)
    here, there = load(folder), load(url)
    assert there.fields == here.fields
    assert all(np.array_equal(a.E, b.E) for a, b in zip(here, there, strict=True))


def test_on_the_command_line(
    tmp_path: Path, memory: Any, collapse: Collapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "a.npz", user=X, item=X[:40])
    url = put(memory, tmp_path / "a.npz", "a.npz")
    code, out, err = collapse("analyze", url)
    assert (code, err) == (0, "")
    assert url in out
    assert collapse("analyze", url, "--figure", "2")[0] == 0
    assert list(tmp_path.glob("*.png")) or list(tmp_path.glob("*.svg")) or list(tmp_path.glob("*.pdf"))
    assert collapse("report", url)[0] == 0
    assert url in (tmp_path / "report.html").read_text()
    assert collapse("explain", url, "user")[0] == 0
    assert collapse("analyze", url, "--against", url)[0] == 2
    code, _, err = collapse("truncate", url, "--data", "flights")
    assert (code, "--data needs a checkpoint on this machine" in err) == (2, True)
    code, _, err = collapse("analyze", url, "--engine", "dask")
    assert (code, "not URLs" in err) == (2, True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("memory://bucket/missing.pt", "cannot read memory://bucket/missing.pt: no such file"),
        ("nowhere://bucket/a.pt", "nowhere://bucket/a.pt has the unknown protocol nowhere://"),
        ("http://127.0.0.1:9/a.pt", "cannot read http://127.0.0.1:9/a.pt: "),
    ],
)
def test_what_cannot_be_read(url: str, said: str, collapse: Collapse) -> None:
    code, out, err = collapse("analyze", url)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collapse.io.remote.place.find_spec", lambda _: None)
    with pytest.raises(CollapseError, match=r"needs s3fs.*pip install 'embedding-collapse\[s3\]'"):
        load("s3://bucket/a.pt")


def test_a_damaged_file_is_named_by_its_url(tmp_path: Path, memory: Any) -> None:
    safetensors.numpy.save_file({"user_emb": X}, tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(content[: len(content) // 2])
    (tmp_path / "a.pt").write_bytes(b"PK\x03\x04" + bytes(50))
    for name in ("a.safetensors", "a.pt"):
        url = put(memory, tmp_path / name, name)
        with pytest.raises(CollapseError, match=f"^{url} is .*damaged"):
            load(url)


def test_over_http(tmp_path: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    np.savez(tmp_path / "a.npz", user=X)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        (table,) = load(f"http://127.0.0.1:{server.server_port}/a.npz").tables
    finally:
        server.shutdown()
        server.server_close()
    assert np.array_equal(table.E, X)


def test_a_url_is_not_shortened() -> None:
    assert path_or_url("s3://bucket//a.pt") == Url("s3://bucket//a.pt")
    assert str(path_or_url("s3://bucket//a.pt")) == "s3://bucket//a.pt"
    assert path_or_url("models/a.pt") == Path("models/a.pt")
    assert (Url("https://host/a.b.pt?x=1").name, Url("https://host/a.b.pt?x=1").stem) == ("a.b.pt", "a.b")
