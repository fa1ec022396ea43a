"""Vectors in columns: Parquet, Arrow, CSV and JSON lines give the same tables; errors name the row."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyarrow import feather

from collapse import load
from collapse.errors import CollapseError
from collapse.io.readers.selection import Selection
from tests.conftest import Collapse

X = np.random.default_rng(0).standard_normal((60, 8)).astype("f4")
LISTS = pd.DataFrame({"id": range(60), "embedding": list(X), "other": list(X[:, :3].astype("f8"))})
WIDE = pd.DataFrame(X, columns=[f"emb_{k}" for k in range(8)])
WIDE.insert(0, "item_id", range(60))
FIXED = pa.table({"id": range(60), "v": pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 8)})
BOTH = {"embedding": X, "other": X[:, :3]}
FILES: dict[str, tuple[Callable[[Path], object], dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]]] = {
    "lists.parquet": (LISTS.to_parquet, BOTH),
    "lists.feather": (LISTS.to_feather, BOTH),
    "lists.jsonl": (lambda path: LISTS.to_json(path, orient="records", lines=True, double_precision=15), BOTH),
    "lists.jsonl.gz": (lambda path: LISTS.to_json(path, orient="records", lines=True, double_precision=15), BOTH),
    "fixed.parquet": (lambda path: pq.write_table(FIXED, path), {"v": X}),
    "fixed.feather": (lambda path: feather.write_feather(FIXED, str(path)), {"v": X}),
    "wide.parquet": (WIDE.to_parquet, {"emb": X}),
    "wide.csv": (lambda path: WIDE.to_csv(path, index=False), {"emb": X}),
    "wide.tsv.gz": (lambda path: WIDE.to_csv(path, index=False, sep="\t"), {"emb": X}),
    "plain.csv": (lambda path: pd.DataFrame(X).to_csv(path, header=False, index=False), {"plain": X}),
    "index.csv": (lambda path: pd.DataFrame(X).to_csv(path), {"index": X}),
}


@pytest.mark.parametrize("name", FILES)
def test_every_table_is_found(name: str, tmp_path: Path) -> None:
    write, truth = FILES[name]
    write(tmp_path / name)
    tables = load(tmp_path / name)
    assert set(tables.fields) == set(truth)
    for table in tables:
        assert np.array_equal(np.asarray(table.E).astype("f4"), truth[table.field])


def test_vectors_as_texts(tmp_path: Path) -> None:
    texts = ["[" + ", ".join(map(repr, map(float, row))) + "]" for row in X]
    pd.DataFrame({"id": range(60), "vector": texts}).to_csv(tmp_path / "a.csv", index=False)
    (table,) = load(tmp_path / "a.csv").tables
    assert (table.field, np.array_equal(table.E, X)) == ("vector", True)


def test_a_folder_of_files_is_one_table(tmp_path: Path) -> None:
    for number, rows in enumerate((slice(0, 20), slice(20, 60))):
        LISTS[rows].to_parquet(tmp_path / f"part-{number}.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    assert np.array_equal(load(tmp_path).tables[0].E, X)


def test_rows_without_a_vector_are_left_out_and_counted(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, 3], "v": pa.array([[1.0, 2.0], None, [3.0, 5.0]])})
    pq.write_table(table, tmp_path / "a.parquet")
    tables = load(tmp_path / "a.parquet")
    assert np.array_equal(tables.tables[0].E, [[1, 2], [3, 5]])
    assert tables.notes == ("rows without a vector in v, which were left out: 1",)


@pytest.mark.parametrize("ending", ["parquet", "feather", "jsonl"])
def test_vectors_of_two_lengths_are_refused_by_row(ending: str, tmp_path: Path) -> None:
    ragged = LISTS[["id", "embedding"]].copy()
    ragged["embedding"] = [row[:5] if number == 17 else row for number, row in enumerate(X)]
    path = tmp_path / f"a.{ending}"
    if ending == "jsonl":
        ragged.to_json(path, orient="records", lines=True)
    elif ending == "parquet":
        ragged.to_parquet(path)
    else:
        ragged.to_feather(path)
    with pytest.raises(CollapseError, match=r"the vector in row 18 has 5 numbers, those before it 8$"):
        load(path)


def test_tables_without_vectors_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"epoch": [1, 2], "auc": [0.6, 0.7], "loss": [0.5, 0.4]}).to_csv(
        tmp_path / "metrics.csv", index=False
    )
    pd.DataFrame({"user": [1, 2], "history": [[1, 2], [3]]}).to_parquet(tmp_path / "rows.parquet")
    for name in ("metrics.csv", "rows.parquet"):
        with pytest.raises(CollapseError, match="has no column of vectors"):
            load(tmp_path / name)


def test_the_column_of_ids_can_be_named(tmp_path: Path, collapse: Collapse) -> None:
    pd.DataFrame(np.c_[np.arange(0.5, 60), X], columns=[f"c{k}" for k in range(9)]).to_csv(
        tmp_path / "a.csv", index=False
    )
    assert load(tmp_path / "a.csv").tables[0].E.shape == (60, 9)
    (table,) = load(tmp_path / "a.csv", selection=Selection(id_column="c0")).tables
    assert np.array_equal(table.E.astype("f4"), X)
    assert collapse("analyze", tmp_path / "a.csv", "--id-column", "c0")[0] == 0
    code, _, err = collapse("analyze", tmp_path / "a.csv", "--id-column", "nope")
    assert (code, "has no column 'nope'; its columns are c0, c1" in err) == (2, True)
    np.save(tmp_path / "a.npy", X)
    code, _, err = collapse("analyze", tmp_path / "a.npy", "--id-column", "c0")
    assert (code, "has no columns with names: leave out --id-column" in err) == (2, True)


@given(
    E=arrays(np.float64, st.tuples(st.integers(2, 9), st.integers(2, 5)), elements=st.floats(-1e9, 1e9, width=32))
)
def test_csv_gives_every_number(E: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> None:
    frame = pd.DataFrame(E + 0.5, columns=[f"d{k}" for k in range(E.shape[1])])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "numbers.csv.gz"
        frame.to_csv(path, index=False)
        assert np.array_equal(load(path).tables[0].E, E + 0.5)
