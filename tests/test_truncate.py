"""Tables cut to a fraction of their energy, by the theorem of Eckart and Young, tested before and after."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file

from collapse import diagnose, load
from collapse.analysis.truncation import by_field, truncate
from collapse.errors import CollapseError
from collapse.io.blocks import Product
from collapse.io.checkpoint.file import load_checkpoint
from collapse.io.tables import EmbeddingTable, TableSet
from tests.conftest import Collapse
from tests.strategies import Known, known_tables


def set_of(*tables: NDArray[Any], sizes: tuple[int, ...] | None = None) -> TableSet:
    return TableSet(
        name="a",
        source="a",
        tables=tuple(
            EmbeddingTable(field=f"f{i}", E=E, sizes=sizes or (E.shape[1],)) for i, E in enumerate(tables)
        ),
    )


@given(known=known_tables(max_rows=700), energy=st.floats(0.01, 1))
def test_it_is_the_best_of_its_rank(known: Known, energy: float) -> None:
    """The loss is the energy of the omitted directions, which is the minimum for rank k."""
    E = known.E
    (cut,) = truncate(set_of(E), energy)
    exact = E.astype(np.float64)
    sigma = np.linalg.svd(exact, compute_uv=False)
    total = (sigma**2).sum()
    assert cut.table.shape == E.shape
    assert cut.table.dtype == E.dtype
    lost = np.sqrt(((exact - cut.table.astype(np.float64)) ** 2).sum())
    rounding = 1e-5 * np.sqrt(total)
    assert lost == pytest.approx(np.sqrt((sigma[cut.k :] ** 2).sum()), abs=rounding)
    if total > 0:
        assert cut.energy >= energy - 1e-9
        assert cut.k == 1 or (sigma[: cut.k - 1] ** 2).sum() < energy * total * (1 + 1e-9)
    np.testing.assert_allclose(cut.right @ cut.right.T, np.eye(cut.k), atol=1e-5)


def test_all_of_the_energy_is_the_table(trained: dict[str, Path]) -> None:
    tables = load(trained["dcnv2-4"])
    for cut, table in zip(truncate(tables, 1), tables, strict=True):
        np.testing.assert_allclose(cut.table, table.E, atol=1e-6)


def test_bytes() -> None:
    """Factors need (D + K) k numbers, and never more bytes than the table."""
    random = np.random.default_rng(0)
    low = (random.normal(size=(1000, 2)) @ random.normal(size=(2, 16))).astype(np.float32)
    frame = by_field(list(truncate(set_of(low, random.normal(size=(5, 16)).astype(np.float32)), 0.999)))
    assert frame["kept"].tolist()[0] == 2
    assert frame["bytes_before"].tolist() == [1000 * 16 * 4, 5 * 16 * 4]
    assert frame["bytes_after"].tolist() == [2 * (1000 + 16) * 4, 5 * 16 * 4]
    assert frame["saved"].tolist() == pytest.approx([1 - 2032 / 16000, 0])


def test_sets_are_cut_one_by_one() -> None:
    random = np.random.default_rng(0)
    E = np.hstack([random.normal(size=(50, 1)) @ random.normal(size=(1, 4)), random.normal(size=(50, 4))])
    cut = list(truncate(set_of(E, sizes=(4, 4)), 0.9999))
    assert [(each.set, each.k) for each in cut] == [(0, 1), (1, 4)]
    assert by_field(cut)["kept"].tolist() == [5]


@pytest.mark.parametrize("energy", [0.0, -1.0, 1.5, float("nan")])
def test_no_share(energy: float) -> None:
    with pytest.raises(CollapseError, match="energy"):
        list(truncate(set_of(np.ones((3, 3))), energy))


class TestCommand:
    @pytest.mark.parametrize("ending", [".pt", ".safetensors"])
    def test_the_file_holds_the_cut_tables(
        self, ending: str, trained: dict[str, Path], tmp_path: Path, collapse: Collapse
    ) -> None:
        """It loads without code, and the analysis sees the truncated tables."""
        path = tmp_path / f"small{ending}"
        code, out, err = collapse("truncate", trained["dcnv2-4"], "--energy", 0.8, "-o", path)
        assert (code, err) == (0, "")
        assert "0.8 of the energy:" in out
        cut = list(truncate(load(trained["dcnv2-4"]), 0.8))
        if ending == ".pt":
            held = torch.load(path, weights_only=True)["tables"]
        else:
            tensors = load_file(path)
            parts = ("left", "right", "table")
            held = [{part: tensors.get(f"{each.field}.{each.set}.{part}") for part in parts} for each in cut]
        for entry, each in zip(held, cut, strict=True):
            table = entry.get("table")
            E = table if table is not None else entry["left"] @ entry["right"]
            np.testing.assert_allclose(E, each.table, atol=1e-6)
        found = diagnose(path)
        assert found["field"].tolist() == list(load(trained["dcnv2-4"]).fields)
        for ia, each in zip(found["ia"], cut, strict=True):
            sigma = np.linalg.svd(each.table.astype(np.float64), compute_uv=False)
            assert ia == pytest.approx(sigma.sum() / sigma[0], rel=1e-4)

    @pytest.mark.parametrize("name", ["dcnv2-4", "dcnv2-4x2"])
    def test_before_and_after(
        self, name: str, trained: dict[str, Path], small_data: Path, collapse: Collapse
    ) -> None:
        """Keeping all energy changes nothing, and keeping one direction does.

        The values before are those of the run.
        """
        words = ("truncate", trained[name], "--data", small_data, "--energy", 1, "--energy", 0.01, "--json")
        told = json.loads(collapse(*words)[1])
        run = json.loads((trained[name].parent / "manifest.json").read_text())
        assert told["test_before"]["auc"] == pytest.approx(run["test"]["auc"], abs=1e-9)
        whole, little = told["cuts"]
        assert whole["test"]["logloss"] == pytest.approx(run["test"]["logloss"], abs=1e-6)
        assert abs(little["test"]["logloss"] - run["test"]["logloss"]) > 1e-5
        assert all(field["kept"] == field["kept"] // 1 >= 1 for field in little["fields"])
        for measure, change in little["test"]["change"].items():
            assert change["value"] == pytest.approx(little["test"][measure] - told["test_before"][measure])
            assert change["low"] <= change["value"] <= change["high"]
        out = collapse("truncate", trained[name], "--data", small_data, "--energy", 1)[1]
        assert "test AUC " in out
        assert "95 % interval" in out

    def test_a_foreign_file(self, tmp_path: Path, collapse: Collapse) -> None:
        torch.save({"user_emb": torch.randn(90, 1) @ torch.randn(1, 8)}, tmp_path / "a.pt")
        code, out, _ = collapse("truncate", tmp_path / "a.pt")
        assert code == 0
        assert "1 of 8 directions" in out

    def test_what_is_refused(
        self, trained: dict[str, Path], small_data: Path, tmp_path: Path, collapse: Collapse
    ) -> None:
        path = trained["dcnv2-4"]
        before = path.read_bytes()
        torch.save({"user_emb": torch.randn(9, 8)}, tmp_path / "a.pt")
        for words, sentence in (
            (("-o", path), "is the checkpoint itself"),
            (("--energy", 0.5, "--energy", 0.9, "-o", tmp_path / "b.pt"), "give --energy and --bits only once"),
            (("--data", "flights:0.001"), "with another hash than flights:0.001"),
            (("--data", "nowhere"), "neither a built-in data set"),
            (("--data", small_data, "--device", "quantum"), "--device must be auto, cpu or cuda, got quantum"),
        ):
            code, _, err = collapse("truncate", path, *words)
            assert (code, sentence in err, "Traceback" in err) == (2, True, False), err
        code, _, err = collapse("truncate", tmp_path / "a.pt", "--data", small_data)
        assert (code, "checkpoint of this project" in err) == (2, True)
        assert path.read_bytes() == before
        assert load_checkpoint(path).name == "dcnv2-4"

    @pytest.mark.parametrize("change", [{"tables": []}, {"tables": 7}, {"format_version": 9}, {"energy": None}])
    def test_damaged_factors(
        self, change: dict[str, Any], trained: dict[str, Path], tmp_path: Path, collapse: Collapse
    ) -> None:
        collapse("truncate", trained["dcnv2-4"], "-o", tmp_path / "a.pt")
        torch.save(torch.load(tmp_path / "a.pt", weights_only=True) | change, tmp_path / "a.pt")
        code, _, err = collapse("analyze", tmp_path / "a.pt")
        assert (code, "is damaged" in err, "Traceback" in err) == (2, True, False)


def test_a_product_is_its_table() -> None:
    left, right = np.random.default_rng(0).normal(size=(9, 2)), np.random.default_rng(1).normal(size=(2, 5))
    product: Any = Product(left, right)
    np.testing.assert_allclose(product[2:7], (left @ right)[2:7])
    np.testing.assert_allclose(product[:, 1:3], (left @ right)[:, 1:3])
    np.testing.assert_allclose(np.asarray(product), left @ right)
    with pytest.raises(ValueError, match="cannot be multiplied"):
        Product(left, right.T)
