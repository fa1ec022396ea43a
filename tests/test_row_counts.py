"""Rows that training never looked up: results with and without row counts, and files of row counts."""

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from collapse import diagnose, load
from collapse.analysis.settings import AnalysisSettings
from collapse.analysis.verdicts import Degree
from collapse.errors import CollapseError
from collapse.io.readers.row_counts import RowCounts, read_row_counts
from collapse.io.readers.selection import Selection
from collapse.measures.abundance import adjusted_abundance, information_abundance
from collapse.measures.random_matrix import random_abundance
from tests.conftest import Collapse

TABLES = {"user": np.random.default_rng(0).standard_normal((60, 4)), "item": np.ones((20, 3))}
USER, ITEM = np.arange(60) % 4, np.arange(20) % 2


def counted(E: NDArray[np.float64], counts: NDArray[np.int64]) -> Selection:
    return Selection(row_counts=RowCounts(source="counts", by_field={"table": counts}))


def test_trained_rows_of_rank_one_are_collapsed_however_many_were_never_trained() -> None:
    """95 % of the rows have their initial values."""
    random = np.random.default_rng(0)
    trained = random.standard_normal((250, 1)) @ random.standard_normal((1, 32))
    E = np.r_[trained, 0.2 * random.standard_normal((4750, 32))]
    counts = (np.arange(5000) < 250).astype(np.int64)
    tables = load(E, selection=counted(E, counts))
    by_default, over_all = (
        diagnose(tables, settings=each).iloc[0] for each in (None, AnalysisSettings(rows="all"))
    )
    assert by_default["degree"] == Degree.COLLAPSED
    assert "rows look untouched" in diagnose({"table": E})["verdict"].iloc[0]
    assert over_all["degree"] != Degree.COLLAPSED
    assert by_default["rows_entered"] == by_default["rows_trained"] == 250


@given(
    D=st.integers(20, 900),
    K=st.integers(2, 12),
    fraction=st.floats(0.2, 0.9),
    seed=st.integers(0, 99),
    exponent=st.sampled_from([-400, 0, 400]),
)
def test_both_readings_are_measured_in_one_pass(D: int, K: int, fraction: float, seed: int, exponent: int) -> None:
    """Trained rows and all rows are measured together, from the Gram matrices of the two kinds of rows."""
    random = np.random.default_rng(seed)
    E = np.ldexp(random.standard_normal((D, K)) * np.geomspace(1, 0.1, K), exponent)
    counts = random.integers(1, 9, D) * (random.random(D) < fraction)
    counts[:3] = 1
    tables = load(E, selection=counted(E, counts))
    for settings in (AnalysisSettings(), AnalysisSettings(rows="all")):
        found = diagnose(tables, settings=settings).iloc[0]
        for name, rows in (("adjusted_trained", counts > 0), ("adjusted_all", np.ones(D, bool))):
            ia = information_abundance(E[rows])
            plain = adjusted_abundance(ia, random_abundance(int(rows.sum()), K).mean)
            # The shape that is not asked for is drawn a few times alone.
            assert found[name] == pytest.approx(plain, rel=0.08, abs=0.03)


def test_a_field_that_was_never_looked_up_is_not_judged() -> None:
    tables = load(TABLES["user"], selection=counted(TABLES["user"], np.zeros(60, np.int64)))
    found = diagnose(tables).iloc[0]
    assert found["verdict"] == "not judged: training looked up none of its rows"
    assert found["ia"] == pytest.approx(information_abundance(TABLES["user"]))
    with pytest.raises(CollapseError, match="no row of field 'table'"):
        diagnose(tables, settings=AnalysisSettings(rows="frequency"))


class TestFiles:
    """Every file format gives the same counts."""

    @pytest.fixture(params=["csv", "parquet", "npz", "npy"])
    def path(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        path = tmp_path / f"counts.{request.param}"
        listed = pd.DataFrame(
            {
                "field": ["user"] * 60 + ["item"] * 20,
                "row": [*range(60), *range(20)],
                "count": np.concatenate([USER, ITEM]),
            }
        )
        listed = listed[listed["count"] > 0].sample(frac=1, random_state=0)
        if path.suffix == ".csv":
            listed.to_csv(path, index=False)
        elif path.suffix == ".parquet":
            listed.to_parquet(path)
        elif path.suffix == ".npz":
            np.savez(path, user=USER, item=ITEM)
        else:
            np.save(path, np.concatenate([USER, ITEM]))
        return path

    def test_they_give_the_same(self, path: Path, tmp_path: Path, collapse: Collapse) -> None:
        np.savez(tmp_path / "tables.npz", **TABLES)  # type: ignore[arg-type]
        tables = load(tmp_path / "tables.npz", selection=Selection(row_counts=read_row_counts(path)))
        for table, counts in zip(tables, (USER, ITEM), strict=True):
            assert table.row_counts is not None
            np.testing.assert_array_equal(table.row_counts, counts)
        code, out, _ = collapse("analyze", tmp_path / "tables.npz", "--row-counts", path, "--json")
        found = json.loads(out)
        assert (code, found["choices"]["row_counts"]) == (0, "known")
        assert [field["rows_trained"] for field in found["fields"]] == [45, 10]
        assert f"row counts are from {path}" in found["checkpoints"][0]["notes"]

    def test_a_single_table_needs_no_name(self, tmp_path: Path) -> None:
        (tmp_path / "counts.csv").write_text("row,count\n3,2\n1,1\n")
        tables = load(np.ones((5, 2)), selection=Selection(row_counts=read_row_counts(tmp_path / "counts.csv")))
        assert tables.tables[0].row_counts is not None
        assert tables.tables[0].row_counts.tolist() == [0, 1, 0, 2, 0]

    def test_in_python_a_path_or_arrays_do(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "counts.npz", user=USER, item=ITEM)
        path, arrays = tmp_path / "counts.npz", {"user": USER, "item": ITEM.tolist()}
        for counts in (path, str(path), arrays):
            tables = load(TABLES, selection=Selection(row_counts=counts))
            assert diagnose(tables)["rows_trained"].tolist() == [45, 10]
        with pytest.raises(CollapseError, match="row counts of 'user' must hold"):
            load(TABLES, selection=Selection(row_counts={"user": ["a"]}))

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("field,row\na,1\n", "has no column 'count'"),
            ("field,row,count\nuser,1,-2\n", "must not be negative, got -2"),
            ("field,row,count\nuser,1,0.5\n", "must hold whole numbers"),
            ("field,row,count\nuser,1,x\n", "one whole number per row"),
            ("field,row,count\nuser,1,1\nuser,1,2\n", "lists row 1 of field 'user' twice"),
            ("field,row,count\nuser,60,1\n", "has a count for row 60 of field 'user', but its table has 60 rows"),
            ("field,row,count\nshop,1,1\n", "has no field of .*: it has shop, but the tables are user, item"),
            ("", "cannot be read as row counts"),
        ],
    )
    def test_bad_ones_are_sentences(self, text: str, words: str, tmp_path: Path) -> None:
        path = tmp_path / "counts.csv"
        path.write_text(text)
        with pytest.raises(CollapseError, match=words):
            load(TABLES, selection=Selection(row_counts=read_row_counts(path)))

    def test_other_kinds_and_sizes_are_sentences(self, tmp_path: Path) -> None:
        for name, content in (("a.txt", b""), ("a.npy", b"junk"), ("a.npz", b"PK"), ("a.parquet", b"PAR1")):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(CollapseError, match=name):
                read_row_counts(tmp_path / name)
        for values, words in (
            (np.arange(79), "79 row counts, but the tables .* have 80"),
            (np.eye(3), "one whole"),
        ):
            np.save(tmp_path / "b.npy", values)
            with pytest.raises(CollapseError, match=words):
                load(TABLES, selection=Selection(row_counts=read_row_counts(tmp_path / "b.npy")))
        np.savez(tmp_path / "c.npz", user=USER[:-1])
        with pytest.raises(CollapseError, match="has 59 row counts for field 'user', but its table has 60 rows"):
            load(TABLES, selection=Selection(row_counts=read_row_counts(tmp_path / "c.npz")))


def test_a_prepared_data_set_counts_its_training_rows(
    trained: dict[str, Path], small_data: Path, tmp_path: Path, collapse: Collapse
) -> None:
    """A checkpoint that has lost its counts gets the same verdicts with them."""
    tables = load(trained["dcnv2-4"])
    np.savez(tmp_path / "tables.npz", **{table.field: table.E for table in tables})
    code, out, _ = collapse("analyze", tmp_path / "tables.npz", "--row-counts", small_data, "--csv")
    assert code == 0
    _, own, _ = collapse("analyze", trained["dcnv2-4"], "--csv")
    columns = ["field", "rows_trained", "ia", "ia_adjusted", "degree"]
    ours, theirs = (pd.read_csv(StringIO(text))[columns] for text in (out, own))
    pd.testing.assert_frame_equal(ours, theirs)
