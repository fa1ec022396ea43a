"""Prepared data sets: what the encoder writes and what `open_prepared` refuses."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.training.data.store.encoding import Encoder
from collapse.training.data.store.prepared import PreparedData, Source, open_prepared
from collapse.training.data.store.schema import Schema
from collapse.training.data.store.writing import new_prepared

ROWS = [("a", "x"), ("b", "x"), ("a", None), ("c", "y"), ("a", "y"), ("b", "")]
LABELS = [0, 1, 0, 0, 1, 1]

Rows = Sequence[tuple[str | None, str | None]]


def prepare(path: Path, rows: Rows, labels: list[int], *, min_count: int, block: int = 2) -> PreparedData:
    with new_prepared(path) as folder:
        encoder = Encoder(folder, {"letter": "a letter", "mark": ""}, min_count=min_count)
        for start in range(0, len(rows), block):
            part = rows[start : start + block]
            frame = pl.DataFrame(part, schema={"letter": pl.String, "mark": pl.String}, orient="row")
            encoder.add(frame, labels[start : start + block])
        encoder.finish(name="tiny", label="sold", sources=[Source(name="tiny.txt", size=7, sha256="00")])
    return open_prepared(path)


def content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if not file.name.startswith(".")}


def slow_twin(column: list[str | None], min_count: int) -> tuple[list[int], list[tuple[str | None, int]]]:
    """Encode a column with plain dictionaries."""
    texts = [text or "" for text in column]
    kept = [item for item in Counter(texts).items() if item[1] >= min_count]
    kept.sort(key=lambda item: (-item[1], item[0]))
    ids = {text: n for n, (text, _) in enumerate(kept, start=1)}
    oov = len(texts) - sum(count for _, count in kept)
    return [ids.get(text, 0) for text in texts], [(None, oov), *kept]


def test_a_small_data_set_by_hand(tmp_path: Path) -> None:
    data = prepare(tmp_path / "data", ROWS, LABELS, min_count=2)
    assert data.ids.tolist() == [[1, 2], [2, 2], [1, 1], [0, 3], [1, 3], [2, 1]]
    assert data.ids.dtype == np.int32
    assert data.labels.tolist() == LABELS
    assert data.rows == 6
    assert data.vocabulary().rows() == [
        ("letter", 0, None, 1),
        ("letter", 1, "a", 3),
        ("letter", 2, "b", 2),
        ("mark", 0, None, 0),
        ("mark", 1, "", 2),
        ("mark", 2, "x", 2),
        ("mark", 3, "y", 2),
    ]
    assert data.schema == Schema(
        fields=("letter", "mark"),
        cardinalities=(3, 4),
        name="tiny",
        label="sold",
        descriptions=("a letter", ""),
    )
    assert data.schema.offsets.tolist() == [0, 3]
    assert data.schema.rows_total == 7
    assert data.manifest["sources"] == [{"name": "tiny.txt", "size": 7, "sha256": "00"}]
    assert data.manifest["options"] == {"min_count": 2, "vocabulary": "all"}


@given(
    rows=st.lists(
        st.tuples(st.none() | st.text(max_size=3), st.sampled_from(["", "1", "-1", "ä", "\0"])),
        min_size=1,
        max_size=30,
    ),
    min_count=st.integers(1, 4),
    block=st.integers(1, 31),
)
def test_the_encoder_agrees_with_plain_dictionaries(rows: Rows, min_count: int, block: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(Path(folder) / "data", rows, [0] * len(rows), min_count=min_count, block=block)
        vocabulary = data.vocabulary()
        for n, field in enumerate(data.schema.fields):
            ids, expected = slow_twin([row[n] for row in rows], min_count)
            assert data.ids[:, n].tolist() == ids
            assert vocabulary.filter(field=field).select("value", "count").rows() == expected
        del data


def test_preparing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    prepare(tmp_path / "one", ROWS, LABELS, min_count=1)
    prepare(tmp_path / "two", ROWS, LABELS, min_count=1, block=5)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_the_vocabulary_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    one = prepare(tmp_path / "one", ROWS, LABELS, min_count=1)
    two = prepare(tmp_path / "two", ROWS[::-1], LABELS[::-1], min_count=1)
    assert one.vocabulary().equals(two.vocabulary())
    assert one.ids.tolist() == two.ids[::-1].tolist()
    assert one.data_hash != two.data_hash


@pytest.mark.parametrize(
    ("rows", "labels", "min_count"),
    [
        (ROWS, [1, 1, 0, 0, 1, 1], 2),
        ([*ROWS[:-1], ("a", "")], LABELS, 2),
        ([*ROWS[:-1], ("B", "")], LABELS, 1),
        (ROWS, LABELS, 1),
    ],
    ids=["label", "id", "value", "min_count"],
)
def test_the_data_hash_sees_a_change_of(rows: Rows, labels: list[int], min_count: int, tmp_path: Path) -> None:
    base = prepare(tmp_path / "base", ROWS, LABELS, min_count=2)
    changed = prepare(tmp_path / "changed", rows, labels, min_count=min_count)
    assert base.data_hash != changed.data_hash


def test_a_minimum_count_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CollapseError, match="min_count must be at least 1"):
        prepare(tmp_path / "data", ROWS, LABELS, min_count=0)
    assert list(tmp_path.iterdir()) == []


def test_only_a_prepared_data_set_is_overwritten(tmp_path: Path) -> None:
    prepare(tmp_path / "data", ROWS, LABELS, min_count=1)
    before = content(tmp_path / "data")
    with pytest.raises(CollapseError, match="already exists"), new_prepared(tmp_path / "data"):
        pass
    with new_prepared(tmp_path / "data", overwrite=True) as folder:
        (folder / "schema.json").write_text("{}")
    assert content(tmp_path / "data") != before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(CollapseError, match="not replaced"):
        new_prepared(tmp_path / "other", overwrite=True).__enter__()
    assert (tmp_path / "other" / "thesis.tex").exists()


def put(path: Path, key: str, value: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))


def replace_ids(data: Path, row: int, field: int, value: int) -> None:
    ids = np.load(data / "ids.npy")
    ids[row, field] = value
    np.save(data / "ids.npy", ids)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no schema": (lambda d: (d / "schema.json").unlink(), "schema.json is missing"),
    "no vocabulary": (lambda d: (d / "vocabulary.parquet").unlink(), "vocabulary.parquet is missing"),
    "no ids": (lambda d: (d / "ids.npy").unlink(), "ids.npy is missing"),
    "no labels": (lambda d: (d / "labels.npy").unlink(), "labels.npy is missing"),
    "no manifest": (lambda d: (d / "manifest.json").unlink(), "manifest.json is missing"),
    "other format": (lambda d: put(d / "schema.json", "format", "other"), "schema.json is not the schema of"),
    "a list": (lambda d: (d / "schema.json").write_text("[]"), "schema.json is not the schema of"),
    "no JSON": (lambda d: (d / "schema.json").write_text("{"), "schema.json is not a JSON file"),
    "later version": (
        lambda d: put(d / "schema.json", "format_version", 9),
        "schema.json has format version 9, but this release reads version 1: prepare the data set again",
    ),
    "bad field": (lambda d: put(d / "schema.json", "fields", [{}]), "schema.json has no key 'name'"),
    "no fields": (lambda d: put(d / "schema.json", "fields", []), "fields"),
    "a text for rows that were left out": (
        lambda d: put(d / "manifest.json", "skipped", {"rows": "x"}),
        "manifest.json is damaged",
    ),
    "text for fields": (lambda d: put(d / "schema.json", "fields", [1]), "schema.json is damaged"),
    "no data hash": (lambda d: (d / "manifest.json").write_text('{"rows": 6}'), "has no key 'data_hash'"),
    "manifest a number": (lambda d: (d / "manifest.json").write_text("3"), "manifest.json has no key 'rows'"),
    "other rows": (
        lambda d: put(d / "manifest.json", "rows", 7),
        r"ids.npy must hold .* holds int32 of shape \(6, 2\)",
    ),
    "cut ids": (
        lambda d: (d / "ids.npy").write_bytes((d / "ids.npy").read_bytes()[:-4]),
        "not a complete .npy file",
    ),
    "empty ids": (lambda d: (d / "ids.npy").write_bytes(b""), "ids.npy is not a complete .npy file"),
    "wide ids": (
        lambda d: np.save(d / "ids.npy", np.zeros((6, 2), np.int64)),
        "ids.npy must hold .* but holds int64 of shape",
    ),
    "Fortran ids": (lambda d: np.save(d / "ids.npy", np.zeros((6, 2), np.int32, order="F")), "in C order"),
    "short labels": (
        lambda d: np.save(d / "labels.npy", np.zeros(5, np.uint8)),
        "labels.npy must hold .* but holds uint8 of shape",
    ),
    "label 2": (
        lambda d: np.save(d / "labels.npy", np.array([0, 1, 0, 2, 0, 0], np.uint8)),
        "row 3 .*labels.npy has label 2, which is neither 0 nor 1",
    ),
    "id too large": (
        lambda d: replace_ids(d, 5, 1, 120),
        "row 5 of .*ids.npy has id 120 for field 'mark', but its vocabulary has 4 rows: prepare the",
    ),
    "id negative": (lambda d: replace_ids(d, 0, 0, -1), "row 0 of .* has id -1 for field 'letter', but"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_data_set_is_refused_with_a_sentence_that_names_the_file(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    prepare(path, ROWS, LABELS, min_count=1)
    change, sentence = DAMAGES[damage]
    change(path)
    with pytest.raises(CollapseError, match=sentence) as caught:
        open_prepared(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ids_are_checked_in_every_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path / "data", ROWS, LABELS, min_count=1)
    replace_ids(tmp_path / "data", 4, 0, 9)
    monkeypatch.setattr("collapse.training.data.store.prepared.CHUNK_ROWS", 2)
    with pytest.raises(CollapseError, match="row 4 .* 9 .*'letter'"):
        open_prepared(tmp_path / "data")


def test_the_ids_stay_on_disk_and_are_read_only(tmp_path: Path) -> None:
    data = prepare(tmp_path / "data", ROWS, LABELS, min_count=1)
    assert isinstance(data.ids, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        data.ids[0, 0] = 1


def test_a_vocabulary_that_does_not_fit_is_refused_when_it_is_read(tmp_path: Path) -> None:
    data = prepare(tmp_path / "data", ROWS, LABELS, min_count=1)
    path = tmp_path / "data" / "vocabulary.parquet"
    data.vocabulary().head(3).write_parquet(path)
    with pytest.raises(CollapseError, match="vocabulary.parquet .*schema.json"):
        data.vocabulary()
    path.write_bytes(b"PAR1")
    with pytest.raises(CollapseError, match="vocabulary.parquet .*Parquet"):
        data.vocabulary()


@pytest.mark.parametrize(
    ("fields", "cardinalities", "sentence"),
    [
        (("a", "b"), (1,), "number"),
        (("a", "a"), (1, 1), "name"),
        ((), (), "fields"),
        (("a",), (0,), "a cardinality is below 1"),
    ],
)
def test_an_inconsistent_schema_is_refused(
    fields: tuple[str, ...], cardinalities: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Schema(fields=fields, cardinalities=cardinalities)
