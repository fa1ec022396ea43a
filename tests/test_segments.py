"""Segments of the rows: each is measured like a table, and their states add up to the table's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from collapse import SpectrumMonitor, diagnose, information_abundance
from collapse.analysis.factorised import factorise
from collapse.analysis.segments import affected, by_column, by_lookups, diagnose_segments
from collapse.analysis.settings import AnalysisSettings
from collapse.errors import CollapseError
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.measures.rows import row_measures
from collapse.measures.segments import measure_segments
from tests.conftest import Collapse

Table = np.ndarray[Any, np.dtype[np.float64]]


def table_of(seed: int, D: int, K: int) -> tuple[Table, np.ndarray[Any, np.dtype[np.int64]]]:
    rng = np.random.default_rng(seed)
    E = rng.standard_normal((D, K)) * rng.choice([1, 1e-4, 0], (D, 1), p=[0.8, 0.15, 0.05])
    return E, rng.integers(-1, 3, D)


@given(seed=st.integers(0, 99), D=st.integers(1, 3000), K=st.integers(1, 9), counted=st.booleans())
def test_a_segment_is_measured_like_a_table(seed: int, D: int, K: int, counted: bool) -> None:
    E, codes = table_of(seed, D, K)
    counts = np.random.default_rng(seed).integers(0, 5, D) if counted else None
    found = measure_segments(E, codes, 3, counts=counts)
    for s, part in enumerate(found):
        rows = E[codes == s]
        assert (part is None) == (len(rows) == 0)
        if part is None:
            continue
        of_rows = row_measures(rows, counts=None if counts is None else counts[codes == s])
        assert (part.rows, part.of_rows.zero) == (len(rows), of_rows.zero)
        sigma = np.linalg.svd(rows, compute_uv=False)
        np.testing.assert_allclose(part.spectrum.sigma, sigma, atol=1e-10 * max(sigma.max(initial=0), 1e-300))
        np.testing.assert_allclose(part.of_rows.sums.products, of_rows.sums.products, atol=1e-9)
        assert part.of_rows.anisotropy == pytest.approx(of_rows.anisotropy, abs=1e-9, nan_ok=True)


@given(seed=st.integers(0, 99), D=st.integers(1, 3000), K=st.integers(1, 9))
def test_segments_add_up_to_the_table(seed: int, D: int, K: int) -> None:
    E, codes = table_of(seed, D, K)
    parts = [part for part in measure_segments(E, codes + 1, 4) if part is not None]
    whole = row_measures(E)
    np.testing.assert_allclose(sum(part.gram for part in parts), E.T @ E, atol=1e-9 * D)
    assert sum(part.rows for part in parts) == D
    assert sum(part.of_rows.zero for part in parts) == whole.zero
    near = sum(part.of_rows.near_zero * part.rows for part in parts)
    assert near == pytest.approx(whole.near_zero * D)
    products = sum(part.of_rows.sums.products for part in parts)
    np.testing.assert_allclose(products, whole.sums.products, atol=1e-9 * D)


def test_a_row_that_is_not_finite_is_named() -> None:
    E = np.ones((9, 2))
    E[5] = np.nan
    with pytest.raises(ValueError, match="row 5 holds NaN"):
        measure_segments(E, np.zeros(9, np.int64), 1)
    with pytest.raises(ValueError, match="3 segment codes for 9 rows"):
        measure_segments(E, np.zeros(3, np.int64), 1)


def set_of(E: Table, counts: Any = None) -> TableSet:
    return TableSet(
        name="a", source="a", tables=(EmbeddingTable(field="f", E=E, sizes=(E.shape[1],), row_counts=counts),)
    )


@given(counts=st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_head_middle_and_tail(counts: list[int]) -> None:
    """The head has the most frequent rows, and at least half of the lookups without its last row less."""
    of = np.array(counts)
    table = EmbeddingTable(field="f", E=np.ones((len(of), 2)), sizes=(2,), row_counts=of)
    codes = by_lookups(table).codes
    assert ((codes == 3) == (of == 0)).all()
    if not of.any():
        return
    head, middle, tail = (of[codes == s] for s in range(3))
    assert head.sum() >= of.sum() / 2
    assert head.sum() - head.min() < of.sum() / 2
    assert head.min() >= middle.max(initial=0) >= (middle.min() if len(middle) else 0) >= tail.max(
        initial=0
    ) or not len(middle)
    assert head.sum() + middle.sum() >= 0.9 * of.sum()


def test_columns_of_a_side_table() -> None:
    E = np.random.default_rng(0).standard_normal((90, 4))
    side = pd.DataFrame({"genre": ["a"] * 40 + ["b"] * 30 + [None] * 10, "updated": np.arange(80.0)})
    found = diagnose_segments(factorise(set_of(E)), by_column(side, "genre"))
    assert dict(zip(found["segment"], found["rows"], strict=True)) == {
        "a": 40,
        "b": 30,
        "missing": 10,
        "not listed": 10,
    }
    assert found["lookups"].isna().all()
    of_numbers = diagnose_segments(factorise(set_of(E)), by_column(side, "updated"))
    assert of_numbers["segment"].tolist() == ["updated <= 26", "updated <= 53", "updated > 53", "not listed"]
    assert of_numbers["rows"].tolist() == [27, 27, 26, 10]
    many = pd.DataFrame({"kind": [f"k{n % 30:02d}" for n in range(90)]})
    names = diagnose_segments(factorise(set_of(E)), by_column(many, "kind"))["segment"].tolist()
    assert len(names) == 13
    assert names[-1] == "other"
    with pytest.raises(CollapseError, match="no column 'x': it has genre, updated"):
        by_column(side, "x")


def test_a_collapsed_tail_is_found() -> None:
    """Half of the rows have one direction, and get a tenth of the lookups."""
    rng = np.random.default_rng(0)
    head, tail = rng.standard_normal((200, 8)), rng.standard_normal((200, 1)) @ rng.standard_normal((1, 8))
    counts = np.concatenate([np.full(200, 90), np.full(200, 10)])
    found = diagnose_segments(factorise(set_of(np.vstack([head, tail]), counts)), by_lookups)
    of = found.set_index("segment")
    assert of["degree"].to_dict() == {"head": "spread out", "middle": "spread out", "tail": "collapsed"}
    assert of.loc["tail", "rows"] == 200
    assert affected(found) == pytest.approx((0.5, 0.1))
    for settings in (AnalysisSettings(rows="frequency"), AnalysisSettings(centred=True)):
        with pytest.raises(CollapseError, match="cannot be combined"):
            diagnose_segments(factorise(set_of(head, counts[:200]), settings), by_lookups)


def test_whole_tables_are_one_segment(trained: dict[str, Path]) -> None:
    """The diagnosis is that of the table."""
    factored = factorise(trained["dcnv2-4"])
    whole = diagnose(trained["dcnv2-4"])
    one = diagnose_segments(
        factored, lambda table: by_column(pd.DataFrame({"c": ["x"] * table.cardinality}), "c")(table)
    )
    assert one["field"].tolist() == whole["field"].tolist()
    for name in ("ia", "ia_adjusted", "near_zero", "cosine_counts", "adjusted_centred"):
        np.testing.assert_allclose(one[name], whole[name], atol=1e-9)
    assert one["degree"].tolist() == whole["degree"].tolist()


class TestCommands:
    def test_analyze(self, trained: dict[str, Path], tmp_path: Path, collapse: Collapse) -> None:
        path = trained["dcnv2-4"]
        code, out, err = collapse("analyze", path, "--by", "lookups")
        assert code == 0, err
        assert "of the lookups" in out
        segments = json.loads(collapse("analyze", path, "--by", "lookups", "--json")[1])["segments"]
        fields = json.loads(collapse("analyze", path, "--json")[1])["fields"]
        for field in fields:
            of_field = [each for each in segments if each["field"] == field["field"]]
            assert sum(each["rows"] for each in of_field) == field["rows_entered"]
            assert sum(each["lookups"] for each in of_field) == pytest.approx(1)
        assert collapse("analyze", path, "--by", "lookups", "--csv")[1].startswith("field,segment,rows,lookups")

    def test_report(self, trained: dict[str, Path], tmp_path: Path, collapse: Collapse) -> None:
        page = tmp_path / "r.html"
        code, _, err = collapse("report", trained["dcnv2-4"], "--by", "lookups", "-o", page)
        assert code == 0, err
        text = page.read_text()
        assert "Segments of the rows" in text
        assert "--by lookups" in text
        collapse("report", trained["dcnv2-4"], "-o", page)
        assert "Segments of the rows" not in page.read_text()

    def test_train(self, small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
        words = ("train", "--data", small_data, "--epochs", 1, "--embedding-size", 4, "--out", tmp_path / "r")
        code, _, err = collapse(*words, "--monitor", "segments")
        assert code == 0, err
        found = pd.read_csv(tmp_path / "r" / "segments.csv")
        assert set(found["segment"]) == {"head", "middle", "tail"}
        assert "ia_adjusted_tail" in pd.read_csv(tmp_path / "r" / "metrics.csv")

    def test_side_tables(self, tmp_path: Path, collapse: Collapse) -> None:
        E = np.random.default_rng(0).standard_normal((9, 3))
        np.savez(tmp_path / "a.npz", user_emb=E, item_emb=2 * E)
        side = tmp_path / "side.csv"
        side.write_text(
            "field,row,kind\n" + "".join(f"{f},{n},{n % 2}\n" for f in ("user_emb", "item_emb") for n in range(9))
        )
        code, out, err = collapse("analyze", tmp_path / "a.npz", "--by", f"{side}:kind", "--json")
        assert code == 0, err
        assert [each["segment"] for each in json.loads(out)["segments"]] == ["0", "1"] * 2
        (tmp_path / "one.csv").write_text("kind\n1\n")
        for by, said in (
            ("nothing", "must be lookups or FILE:COLUMN"),
            (f"{tmp_path / 'none.csv'}:kind", "none.csv"),
            (f"{side}:x", "no column 'x'"),
            (f"{tmp_path / 'one.csv'}:kind", "has no column field"),
            ("lookups", "pass --row-counts"),
        ):
            code, _, err = collapse("analyze", tmp_path / "a.npz", "--by", by)
            assert (code, said in err) == (2, True), err


def test_the_monitor_logs_segments() -> None:
    E = torch.randn(60, 4)
    labels = np.where(np.arange(60) < 20, "old", "new")
    monitor = SpectrumMonitor({"user": E, "item": E.clone()}, every_n_steps=1, segments={"user": labels})
    values = monitor.step()
    assert values is not None
    assert values["spectrum/ia/user/old"] == pytest.approx(information_abundance(E[:20]))
    assert values["spectrum/ia_mean"] == pytest.approx(information_abundance(E))
    assert set(monitor.history["field"]) == {"user", "item", "user/old", "user/new"}
    with pytest.raises(ValueError, match="segments are given for 'x'"):
        SpectrumMonitor({"user": E}, segments={"x": labels})
    wrong = SpectrumMonitor({"user": E}, every_n_steps=1, segments={"user": labels[:5]})
    assert wrong.step() is not None
    assert "5 segment codes for 60 rows" in wrong.problems["segments of user"]
