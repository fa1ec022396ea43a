"""Plain files of tables."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from collapse import diagnose, load
from tests.conftest import Collapse

GENERATOR = np.random.default_rng(0)
TABLES = {"user": GENERATOR.normal(size=(50, 8)), "item": GENERATOR.normal(size=(30, 8)) @ np.diag([9, *[1] * 7])}
OTHERS = {"bias": np.zeros(8), "ids": np.ones((4, 3), dtype=np.int64), "empty": np.zeros((0, 8), dtype=np.float32)}


def write(path: Path, arrays: dict[str, Any], dtype: torch.dtype = torch.float32) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".npy":
        np.save(path, next(iter(arrays.values())))
    else:
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        save_file({n: t.to(dtype) if t.is_floating_point() else t for n, t in tensors.items()}, path)
    return path


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors", "user.npy"])
def test_every_abundance_is_that_of_numpys_svd(name: str, tmp_path: Path) -> None:
    arrays = TABLES if name != "user.npy" else {"user": TABLES["user"]}
    found = diagnose(write(tmp_path / name, arrays)).set_index("field")["ia"]
    assert set(found.index) == set(arrays)
    for field, E in arrays.items():
        sigma = np.linalg.svd(E, compute_uv=False)
        assert found[field] == pytest.approx(sigma.sum() / sigma[0], rel=1e-6)


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
def test_what_is_skipped_is_told_with_its_reason(name: str, tmp_path: Path, collapse: Collapse) -> None:
    path = write(tmp_path / name, {**TABLES, **OTHERS})
    code, out, err = collapse("analyze", path)
    assert (code, err) == (0, "")
    for told in ("bias (1-dimensional)", "ids (int64)", "empty (of shape 0 x 8)"):
        assert told in out
    (checkpoint,) = json.loads(collapse("analyze", path, "--json")[1])["checkpoints"]
    assert len(checkpoint["skipped"]) == 3
    assert checkpoint["tables"] == "2"


def test_tables_of_bfloat16(tmp_path: Path) -> None:
    exact = diagnose(write(tmp_path / "a.safetensors", TABLES)).set_index("field")["ia"]
    found = diagnose(write(tmp_path / "b.safetensors", TABLES, torch.bfloat16)).set_index("field")["ia"]
    for field in TABLES:
        assert found[field] == pytest.approx(exact[field], rel=0.01)


def test_a_table_on_disk_stays_there(tmp_path: Path) -> None:
    (table,) = load(write(tmp_path / "user.npy", TABLES)).tables
    assert isinstance(table.E, np.memmap)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"x", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x08\x00\x00\x00\x00\x00\x00\x00{}"]
)
def test_damaged_files(content: bytes, suffix: str, tmp_path: Path, collapse: Collapse) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    code, out, err = collapse("analyze", path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert str(path) in err


def test_a_pickle_in_an_array_is_not_run(tmp_path: Path, collapse: Collapse) -> None:
    class Launch:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "launched",)

    np.save(tmp_path / "a.npy", np.array([Launch()], dtype=object), allow_pickle=True)
    code, _, err = collapse("analyze", tmp_path / "a.npy")
    assert (code, ".npy" in err) == (2, True)
    assert not (tmp_path / "launched").exists()


def test_no_table_at_all(tmp_path: Path, collapse: Collapse) -> None:
    code, _, err = collapse("analyze", write(tmp_path / "a.npz", OTHERS))
    assert code == 2
    assert "bias (1-dimensional)" in err
