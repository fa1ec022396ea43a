"""Files that are cached with a prepared data set, and the command ``collapse data``."""

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.training.data.load import data_name, load_data
from collapse.training.data.store import prepared
from collapse.training.data.store.prepared import PreparedData, open_prepared, verify_prepared
from collapse.training.data.store.row_counts import count_rows, training_row_counts
from collapse.training.data.store.sidecars import CHECKED
from collapse.training.data.store.split import split_rows
from tests.avazu_rows import write_avazu
from tests.conftest import Collapse
from tests.small_data import write_small_data


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_small_data(tmp_path / "small", rows=600)


def counts_of(data: PreparedData, seed: int) -> NDArray[np.int64]:
    return training_row_counts(data, split_rows(data.rows, seed).train, split_seed=seed)


def forbidden(*_: object) -> None:
    raise AssertionError("pass over the ids")


class TestOpening:
    """A set that was checked once is opened without reading all of it, until one of its files changes."""

    def test_the_second_time_costs_no_pass(self, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        open_prepared(small)
        monkeypatch.setattr(prepared, "_check_ids", forbidden)
        monkeypatch.setattr(prepared, "_check_labels", forbidden)
        assert open_prepared(small).rows == 600

    @pytest.mark.parametrize("name", prepared.FILES)
    def test_a_changed_file_is_looked_at(self, name: str, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        open_prepared(small)
        content = (small / name).read_bytes()
        (small / name).unlink()
        (small / name).write_bytes(content)
        monkeypatch.setattr(prepared, "_check_ids", forbidden)
        with pytest.raises(AssertionError, match="pass over the ids"):
            open_prepared(small)

    @pytest.mark.parametrize("mark", ["", "{", "[]", '{"data_hash": "x", "files": {}}'])
    def test_a_damaged_mark_is_none(self, mark: str, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        open_prepared(small)
        (small / CHECKED).write_text(mark)
        with monkeypatch.context() as patch:
            patch.setattr(prepared, "_check_ids", forbidden)
            with pytest.raises(AssertionError, match="pass over the ids"):
                open_prepared(small)
        open_prepared(small)
        assert json.loads((small / CHECKED).read_text())["data_hash"] == open_prepared(small).data_hash

    def test_a_bad_id_is_never_marked(self, small: Path) -> None:
        ids = np.load(small / "ids.npy")
        ids[7, 0] = 99
        np.save(small / "ids.npy", ids)
        for _ in range(2):
            with pytest.raises(CollapseError, match="row 7 .*99"):
                open_prepared(small)


class TestVerifying:
    """The hash finds changes that opening does not see."""

    def test_what_was_written(self, small: Path) -> None:
        verify_prepared(open_prepared(small))

    @pytest.mark.parametrize("name", ["ids.npy", "labels.npy"])
    def test_another_value(self, name: str, small: Path) -> None:
        array = np.load(small / name)
        array[3] = 1 - array[3] if name == "labels.npy" else array[4]
        np.save(small / name, array)
        with pytest.raises(CollapseError, match="has changed since it was written.*hash"):
            verify_prepared(open_prepared(small))

    def test_another_vocabulary(self, small: Path) -> None:
        vocabulary = pl.read_parquet(small / "vocabulary.parquet")
        other = vocabulary.with_columns(pl.col("value").str.replace("3", "x"))
        other.write_parquet(small / "vocabulary.parquet")
        with pytest.raises(CollapseError, match="has changed since it was written"):
            verify_prepared(open_prepared(small))


class TestRowCounts:
    """Each split is counted only once."""

    def test_they_are_those_of_the_training_rows(self, small: Path) -> None:
        data = open_prepared(small)
        for seed in (0, 7):
            ids = data.ids[split_rows(600, seed).train]
            columns = zip(ids.T, data.schema.cardinalities, strict=True)
            twin = [count for column, D in columns for count in np.bincount(column, minlength=D)]
            for _ in range(2):
                assert counts_of(data, seed).tolist() == twin

    def test_they_are_kept(self, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        data = open_prepared(small)
        first = counts_of(data, 0)
        monkeypatch.setattr("collapse.training.data.store.row_counts.count_rows", forbidden)
        assert counts_of(data, 0).tolist() == first.tolist()
        with pytest.raises(AssertionError):
            counts_of(data, 1)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", None])
    def test_a_damaged_file_is_none(self, content: bytes | None, small: Path, tmp_path: Path) -> None:
        """It is ignored, and so are the counts of other data that had the same folder."""
        data = open_prepared(small)
        right = count_rows(data, split_rows(600, 0).train).tolist()
        other = open_prepared(write_small_data(tmp_path / "other", rows=600, seed=1))
        counts_of(other, 0)
        kept = next(other.path.glob(".row-counts-0*")).read_bytes()
        (small / ".row-counts-0.npz").write_bytes(kept if content is None else content)
        assert counts_of(data, 0).tolist() == right
        assert counts_of(data, 0).tolist() == right


class TestCommand:
    """The command as a user types it."""

    def test_the_built_in_ones(self, collapse: Collapse) -> None:
        code, out, err = collapse("data")
        assert (code, err) == (0, "")
        assert out.startswith("flights")
        assert "synthetic-criteo:0.01" in json.loads(collapse("data", "--json")[1])

    def test_a_prepared_one(self, tmp_path: Path, collapse: Collapse) -> None:
        source = write_avazu(tmp_path / "train.csv")
        collapse("prepare", "avazu", source, "-o", tmp_path / "data")
        code, out, err = collapse("data", tmp_path / "data", "--verify")
        assert (code, err) == (0, "")
        assert out.startswith("avazu: 300 rows, 22 fields with cardinalities from ")
        assert "(the advertisement was clicked); min_count 4, vocabulary all, hour raw\n" in out
        assert "verified: every byte is as written" in out
        content = json.loads(collapse("data", tmp_path / "data", "--json")[1])
        rows = [line.split(",") for line in source.read_text().splitlines()[1:]]
        assert content["rows"] == 300
        assert content["positive"] == pytest.approx(np.mean([row[1] == "1" for row in rows]))
        assert len(content["by_field"]) == content["fields"] == 22
        for n, field in enumerate(content["by_field"], start=2):
            counts = Counter(row[n] for row in rows)
            common = {value: count for value, count in counts.items() if count >= 4}
            top = sorted(common.values(), reverse=True)[:3]
            assert field["cardinality"] == 1 + len(common)
            assert field["out_of_vocabulary"] == pytest.approx(1 - sum(common.values()) / 300)
            assert [common[value] for value in field["most_frequent"]] == top
            assert field["shares"] == pytest.approx([count / 300 for count in top])
        table = pl.read_csv(io.StringIO(collapse("data", tmp_path / "data", "--csv")[1]))
        assert table["field"].to_list() == [field["field"] for field in content["by_field"]]
        assert json.loads(table["most_frequent"][0]) == content["by_field"][0]["most_frequent"]

    def test_bad_input(self, small: Path, tmp_path: Path, collapse: Collapse) -> None:
        assert collapse("data", small, "--json", "--csv")[::2] == (
            2,
            "Error: --json and --csv both print to standard output: use only one of them\n",
        )
        code, _, err = collapse("data", tmp_path / "none")
        assert code == 2
        assert "flights:0.1" in err
        assert "collapse prepare --help" in err


def test_a_data_set_has_the_name_that_its_folder_records(small_data: Path, tmp_path: Path) -> None:
    """The name is read without opening the data. For built-in and unreadable data it is the given name."""
    assert data_name(small_data) == load_data(small_data).schema.name == "small"
    assert data_name("flights:0.1") == "flights:0.1"
    (tmp_path / "schema.json").write_text("{}")
    assert data_name(tmp_path) == str(tmp_path)
    assert data_name(tmp_path / "none") == str(tmp_path / "none")
