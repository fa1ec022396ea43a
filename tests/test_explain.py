"""Explanations of a collapsed field agree with the measures that they use."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

import collapse
from collapse import load
from collapse.analysis.explain import FRACTIONS, explain
from collapse.analysis.factorised import factorise
from collapse.analysis.settings import AnalysisSettings
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.analysis.words import model_warning
from collapse.io.checkpoint.file import load_checkpoint
from collapse.io.readers.row_counts import RowCounts
from collapse.io.readers.selection import Selection
from collapse.training.models.registry import model_config
from tests.conftest import Collapse


@pytest.mark.parametrize("name", ["dcnv2-4", "dcnv2-4x2", "ffm-2"])
def test_partners_are_those_of_the_heatmap(name: str, trained: dict[str, Path]) -> None:
    factored = factorise(load(trained[name]), AnalysisSettings())
    field = factored.tables.fields[1]
    found = explain(factored, field)
    pairs = sub_embedding_abundance(factored)
    of_field = pairs[(pairs["source"] == field) & (pairs["target"] != field)].set_index("target")
    assert set(found.partners["field"]) == set(of_field.index)
    assert found.partners["left"].is_monotonic_increasing
    for partner in found.partners.to_dict("records"):
        pair, column = of_field.loc[partner["field"]], pairs[pairs["target"] == partner["field"]]
        assert partner["ia"] == pair["ia"]
        assert partner["left"] == pytest.approx(pair["ia"] / pair["ia_source"])
        assert partner["of_all"] == pytest.approx((column["ia"] / column["ia_source"]).mean())


def test_sizes_hold_their_share(trained: dict[str, Path]) -> None:
    factored = factorise(load(trained["dcnv2-4"]), AnalysisSettings())
    found = explain(factored, factored.tables.fields[0])
    energy = np.cumsum(factored.measured[0].sigma ** 2) / (factored.measured[0].sigma ** 2).sum()
    for fraction in FRACTIONS:
        k = found.sizes[fraction]
        assert energy[k - 1] >= fraction - 1e-12
        assert k == 1 or energy[k - 2] < fraction


def test_the_history_is_that_of_the_run(small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
    """As text and as JSON, with a measurement at the start and one per epoch."""
    assert collapse("train", "--data", small_data, "--epochs", 2, "--out", tmp_path / "run")[0] == 0
    path = tmp_path / "run" / "best.pt"
    field = load(path).fields[0]
    code, out, err = collapse("explain", path, field)
    assert (code, err) == (0, "")
    for word in ("Rows", "Causes", "Directions", "Size", "Partners", "Since when", "What to do", "epoch   0"):
        assert word in out
    told = json.loads(collapse("explain", path, field, "--json")[1])
    assert [look["epoch"] for look in told["history"]] == [0, 1, 2]
    assert told["diagnosis"]["field"] == field
    assert len(told["partners"]) == len(load(path).fields) - 1


def test_a_foreign_file(tmp_path: Path, collapse: Collapse) -> None:
    """Padding, few rows and rank one are recognised, and missing information is named."""
    low = torch.randn(40, 1) @ torch.randn(1, 8)
    low[0] = 0
    torch.save({"user_emb": low, "tiny_emb": torch.randn(4, 8)}, tmp_path / "a.pt")
    out = collapse("explain", tmp_path / "a.pt", "user_emb")[1]
    for sentence in (
        "user_emb: collapsed",
        "rank 1 of 2 fields",
        "1 row is zero (row 0)",
        "90% in 1, 95% in 1, 99% in 1 directions",
        "unknown: this file has no interaction weights",
        "unknown: there is no abundance.csv",
        "1 of 8 directions hold 99 % of the energy",
    ):
        assert sentence in out
    assert "4 rows" in collapse("explain", tmp_path / "a.pt", "tiny_emb")[1]


def test_no_such_field(trained: dict[str, Path], collapse: Collapse) -> None:
    code, _, err = collapse("explain", trained["dcnv2-4"], "nothing")
    assert (code, "'nothing'" in err) == (2, True)


def U_of(E: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linalg.svd(E, full_matrices=False)[0]


class TestDirections:
    """What the directions of a table follow along its rows."""

    random = np.random.default_rng(0)
    price = np.exp(random.standard_normal(3000))
    genre = np.array(list("abcd"))[random.integers(0, 4, 3000)]
    of_genre = random.standard_normal((4, 32))[np.searchsorted(list("abcd"), genre)]
    E = random.standard_normal((3000, 32)) + np.outer(price, 4 * random.standard_normal(32)) + 3 * of_genre
    side = pd.DataFrame({"price": price, "genre": genre, "noise": random.standard_normal(3000)})

    def test_a_column_that_a_direction_follows_is_found(self) -> None:
        found = collapse.explain({"item": self.E}, side=self.side).directions
        assert found["k"].tolist() == [1, 2, 3, 4, 5]
        assert found["price"].iloc[0] > 0.95
        assert found["genre"].iloc[1] > 0.95
        assert found["noise"].max() < 0.1
        sigma = np.linalg.svd(self.E, compute_uv=False)
        np.testing.assert_allclose(found["energy"], sigma[:5] ** 2 / (sigma**2).sum(), rtol=1e-9)

    def test_numbers_are_correlations_with_left_singular_vectors(self) -> None:
        found = collapse.explain({"item": self.E}, side=self.side).directions
        U = U_of(self.E)
        for k in range(5):
            plain = 1 - (1 - np.corrcoef(U[:, k], self.price)[0, 1] ** 2) * 2999 / 2998
            assert found["price"][k] == pytest.approx(np.sqrt(max(0, plain)), abs=1e-6)
            ones = abs(U[:, k].sum()) / np.sqrt(3000)
            assert found["mean"][k] == pytest.approx(ones, abs=1e-7)

    def test_rows_that_did_not_enter_and_gaps_do_not_count(self) -> None:
        """Rows that do not count and gaps give the same result as the known rows alone."""
        counts = RowCounts(source="counts", by_field={"item": (np.arange(3000) % 3).astype(np.int64)})
        tables = load({"item": self.E}, selection=Selection(row_counts=counts))
        rows = np.flatnonzero(np.arange(3000) % 3)
        with_gaps = self.side.mask(pd.Series(np.arange(3000) % 3 == 0), axis=0)
        with_gaps.loc[rows[:50], "price"] = np.nan
        ours = collapse.explain(tables, side=with_gaps).directions
        twin = collapse.explain(
            {"item": self.E[rows]}, side=self.side.iloc[rows].reset_index(drop=True)
        ).directions
        of_known = np.corrcoef(U_of(self.E[rows])[50:, 0], self.price[rows[50:]])[0, 1]
        assert ours["price"][0] == pytest.approx(abs(of_known), abs=1e-3)
        for name in ("energy", "genre", "noise"):
            np.testing.assert_allclose(ours[name], twin[name], atol=1e-9)

    def test_files(self, tmp_path: Path, collapse: Collapse) -> None:
        """Values in order or by row, as CSV or Parquet."""
        np.save(tmp_path / "item.npy", self.E)
        shuffled = self.side.rename_axis("row").reset_index().sample(frac=1, random_state=0)
        self.side.to_csv(tmp_path / "ordered.csv", index=False)
        shuffled.to_parquet(tmp_path / "by_row.parquet")
        told = [
            json.loads(collapse("explain", tmp_path / "item.npy", "item", "--side", tmp_path / name, "--json")[1])
            for name in ("ordered.csv", "by_row.parquet")
        ]
        assert told[0]["directions"] == told[1]["directions"]
        assert told[0]["directions"][0]["price"] > 0.95

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("row,a\n1,2\n1,3\n", "row 1 twice"),
            ("row,a\n3000,2\n", "has row 3000, but the table of 'item' has only 3,000 rows"),
            ("row\n1\n", "no column other than row"),
            ("row,a\nx,2\n", "cannot be read as a table"),
            ("", "cannot be read as a table"),
        ],
    )
    def test_bad_files_are_sentences(self, text: str, words: str, tmp_path: Path, collapse: Collapse) -> None:
        np.save(tmp_path / "item.npy", self.E)
        (tmp_path / "a.csv").write_text(text)
        code, _, err = collapse("explain", tmp_path / "item.npy", "item", "--side", tmp_path / "a.csv")
        assert (code, words in err) == (2, True)


class TestAdvice:
    """Advice fits the cause, and can be followed with the source of the checkpoint."""

    random = np.random.default_rng(0)
    low = random.standard_normal((900, 2)) @ random.standard_normal((2, 16)) + 0.01 * random.standard_normal(
        (900, 16)
    )

    @pytest.mark.parametrize(
        ("E", "word"),
        [
            (random.standard_normal((900, 16)), "nothing: "),
            (random.standard_normal((900, 16)) + 5, "subtract the mean row"),
            (np.c_[0.1 * random.standard_normal((900, 16)), np.ones(900)], "constant columns out"),
            (random.standard_normal((900, 16)) * np.r_[12, np.ones(15)], "largest singular value"),
            (low, "2 of 16 directions hold 99 % of the energy: a smaller size loses little"),
            (random.standard_normal((9, 16)), "the 9 rows of the table cannot fill 16 columns"),
            (np.r_[random.standard_normal((100, 16)), np.zeros((500, 16))], "merge rare values"),
        ],
    )
    def test_it_fits_the_cause(self, E: NDArray[np.float64], word: str) -> None:
        assert word in collapse.explain({"a": E}).advice[0]

    def test_rows_never_trained(self) -> None:
        counts = RowCounts(source="counts", by_field={"a": np.arange(900) % 2})
        found = collapse.explain(load({"a": self.low}, selection=Selection(row_counts=counts)))
        assert "training never looked up 450 of the 900 rows" in found.advice[-1]

    @pytest.mark.parametrize(
        ("key", "words"),
        [
            ("embedding_dict.a.weight", "embedding_dim of the field's SparseFeat"),
            ("embedding.embed_dict.a.weight", "embed_dim of the field's SparseFeature"),
            ("embedding_layer.embedding_layer.embedding_layers.a.weight", "feature_cols of dataset_config.yaml"),
        ],
    )
    def test_it_is_in_the_terms_of_the_library(self, key: str, words: str, tmp_path: Path) -> None:
        torch.save({key: torch.from_numpy(self.low)}, tmp_path / "a.pt")
        found = collapse.explain(tmp_path / "a.pt", "a").advice
        assert words in found[0]
        assert not any("collapse train" in line for line in found)

    def test_a_command_of_our_own_runs(self, trained: dict[str, Path], small_data: Path) -> None:
        """The model in it exists, with the same total number of columns."""
        tables = load(trained["dcnv2-8"])
        tables.tables[0].E[:] = self.random.standard_normal((tables.tables[0].cardinality, 1))
        lines = collapse.explain(tables, tables.fields[0]).advice
        (command,) = [line for line in lines if "--model" in line]
        name = command.split("--model ")[1].split()[0]
        config = model_config(name)
        assert (config.sets, config.sets * config.embedding_size) == (4, 8)
        assert f"--data {tables.description['data']}" in command


def test_what_a_model_did_not_learn_is_said_first(trained: dict[str, Path], collapse: Collapse) -> None:
    tables = load(trained["dcnv2-4"])
    for auc, words in ((0.503, "learned almost nothing"), (0.998, "contains the label"), (0.8, ""), (None, "")):
        assert words in model_warning(replace(tables, validation_auc=auc))
    assert model_warning(replace(tables, validation_auc=0.8)) == ""
    poor = load_checkpoint(trained["dcnv2-4"]).results["validation_auc"] < 0.52
    out = collapse("analyze", trained["dcnv2-4"])[1]
    assert ("note: the model learned almost nothing" in out) == poor


def test_analyze_ends_with_the_next_command(tmp_path: Path, collapse: Collapse) -> None:
    """The command runs unchanged and reads the same file."""
    random = np.random.default_rng(0)
    low = np.outer(random.standard_normal(90), np.ones(4))
    np.savez(tmp_path / "t.npz", spread=random.standard_normal((90, 4)), low=low)
    np.savez(tmp_path / "counts.npz", low=np.arange(90), spread=np.arange(90))
    out = collapse("analyze", tmp_path / "t.npz", "--row-counts", tmp_path / "counts.npz", "--centred")[1]
    words = shlex.split(out.splitlines()[-1].removeprefix("next: "))
    assert words[:2] == ["collapse", "explain"]
    assert words[4:] == ["--centred", "--row-counts", str(tmp_path / "counts.npz")]
    code, told, _ = collapse(*words[1:])
    assert (code, told.split(":")[0]) == (0, words[3])
    np.savez(tmp_path / "fine.npz", spread=np.random.default_rng(0).standard_normal((90, 4)))
    out = collapse("analyze", tmp_path / "fine.npz")[1]
    assert out.splitlines()[-1] == f"next: collapse report {tmp_path / 'fine.npz'}"
