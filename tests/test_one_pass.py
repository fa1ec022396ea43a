"""Measures and spectrum from one pass are those of two; a window forgets what it read."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse import CollapseError, diagnose
from collapse.analysis.processes import processes
from collapse.io.blocks import Window, is_mapped
from collapse.measures.one_pass import measure_and_decompose
from collapse.measures.rows import row_measures
from collapse.measures.spectra import decompose
from tests.conftest import Collapse


@given(
    D=st.integers(600, 3000),
    K=st.integers(1, 12),
    seed=st.integers(0, 99),
    kind=st.sampled_from(["all", "chosen", "frequency"]),
    exponent=st.sampled_from([0, 0, -600, 600]),
    deep=st.booleans(),
)
def test_it_is_what_two_passes_give(D: int, K: int, seed: int, kind: str, exponent: int, deep: bool) -> None:
    random = np.random.default_rng(seed)
    E = random.standard_normal((D, K)) * 2.0**exponent
    E[random.random(D) < 0.1] = 0
    if deep:
        E = E @ np.diag(10.0 ** -np.linspace(0, 8, K))
    counts = random.integers(0, 4, D)
    weights = {"all": None, "chosen": counts > 0, "frequency": counts.astype(float)}[kind]
    of_rows, spectrum = measure_and_decompose(E, weights=weights, counts=counts)
    expected, whole = row_measures(E, weights=weights, counts=counts), decompose(E, weights=weights)
    assert np.allclose(spectrum.values, whole.values, rtol=1e-9, atol=1e-13 * whole.values[0])
    assert spectrum.scale == whole.scale
    for name in ("zero", "first_zero", "near_zero", "untouched"):
        assert getattr(of_rows, name) == getattr(expected, name)
    assert of_rows.anisotropy == pytest.approx(expected.anisotropy, nan_ok=True)
    assert np.allclose(of_rows.sums.products, expected.sums.products, equal_nan=True)


def test_a_bad_row_is_named() -> None:
    E = np.ones((3000, 4))
    E[1234, 2] = np.inf
    with pytest.raises(ValueError, match="row 1234 holds NaN or infinity"):
        measure_and_decompose(E)


def test_a_large_mapped_table_gives_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    E = np.random.default_rng(0).standard_normal((20_000, 8)).astype("f4")
    np.save(tmp_path / "a.npy", E)
    expected = diagnose(tmp_path / "a.npy")
    monkeypatch.setattr("collapse.analysis.factorised._LARGE", 1 << 10)
    monkeypatch.setattr("collapse.io.blocks._WINDOW", 1 << 12)
    found = diagnose(tmp_path / "a.npy")
    for name in expected.columns:
        if expected[name].dtype.kind == "f":
            assert found[name].tolist() == pytest.approx(expected[name].tolist(), rel=1e-9, nan_ok=True), name
        else:
            assert found[name].tolist() == expected[name].tolist()


def test_a_window_forgets_what_it_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", np.zeros((1000, 8), "f4"))
    released: list[int] = []
    monkeypatch.setattr("collapse.io.blocks._WINDOW", 3200)
    monkeypatch.setattr("collapse.io.blocks.release", lambda table: released.append(len(table)))
    table = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert is_mapped(table)
    window = Window(table)
    for start in range(0, 1000, 50):
        assert window[start : start + 50].shape == (50, 8)
    assert len(released) == 10


def test_processes_give_the_same_numbers(
    tmp_path: Path, collapse: Collapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    E = np.random.default_rng(0).standard_normal((40_000, 8)).astype("f4")
    E[:500] = 0
    np.save(tmp_path / "a.npy", E)
    monkeypatch.setattr("collapse.analysis.shards.DaskDecomposer.shard_bytes", 1 << 18)
    expected = json.loads(collapse("analyze", tmp_path / "a.npy", "--json")[1])["fields"][0]
    code, out, _ = collapse("analyze", tmp_path / "a.npy", "--jobs", 2, "--json")
    assert code == 0
    for name, value in json.loads(out)["fields"][0].items():
        assert value == (pytest.approx(expected[name], rel=1e-9) if isinstance(value, float) else expected[name])
    code, _, err = collapse("analyze", tmp_path / "a.npy", "--jobs", 2, "--engine", "dask")
    assert (code, "--engine and --jobs exclude each other" in err) == (2, True)
    E[7, 3] = np.nan
    np.save(tmp_path / "a.npy", E)
    code, _, err = collapse("analyze", tmp_path / "a.npy", "--jobs", 2)
    assert (code, "row 7 holds NaN or infinity" in err) == (2, True)


def test_a_process_that_dies_is_told() -> None:
    with processes(1) as pool, pytest.raises(CollapseError, match="a process died; it needs 5 MB of memory"):
        pool.collect([pool.submit(os._exit, 3, pure=False)], what="field 'a'", unit="shards", needed=5_000_000)
