"""Criteo's raw file: the values read from it, and the errors for other files."""

import gzip
import hashlib
import math
import os
from collections.abc import Callable
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.training.data.sources import criteo
from collapse.training.data.sources.criteo import bucketed, prepare_criteo
from collapse.training.data.sources.rows import Parsed
from collapse.training.data.store.prepared import PreparedData
from collapse.training.data.text import delimited
from tests.criteo_rows import criteo_line, write_criteo


def slow_rule(value: int | None) -> str | None:
    if value is None:
        return None
    return str(math.floor(math.log(value) ** 2) if value > 2 else value - 2)


def buckets(values: list[int | None]) -> list[str | None]:
    return pl.DataFrame({"v": pl.Series(values, dtype=pl.Int64)}).select(bucketed(pl.col("v")))["v"].to_list()


@given(st.lists(st.none() | st.integers(-(2**62), 2**63 - 1) | st.integers(-5, 100)))
def test_the_integer_rule_agrees_with_plain_python(values: list[int | None]) -> None:
    assert buckets(values) == [slow_rule(value) for value in values]


def test_the_integer_rule_by_hand() -> None:
    assert buckets([None, -2, 0, 1, 2, 3, 4, 5, 7, 8, 1000]) == [
        None, "-4", "-2", "-1", "0", "1", "1", "2", "3", "4", "47",
    ]  # fmt: skip


def test_rounding_moves_no_integer_up_to_a_thousand_million_into_another_bucket() -> None:
    with localcontext(prec=50):
        last = [int(Decimal(n).sqrt().exp()) for n in range(2, 431)]
    assert last[-1] > 1e9
    assert buckets([*last]) == [str(n - 1) for n in range(2, 431)]
    assert buckets([v + 1 for v in last]) == [str(n) for n in range(2, 431)]


def values(data: PreparedData, field: str) -> list[str | None]:
    vocabulary = data.vocabulary().filter(field=field)["value"].to_list()
    return [vocabulary[n] for n in data.ids[:, data.schema.fields.index(field)]]


def content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if not file.name.startswith(".")}


def test_small_rows_by_hand(tmp_path: Path) -> None:
    lines = [
        criteo_line("1", I1="5", C1="68fd1e64", C26="x y"),
        criteo_line("0", I1="0", C1='"quoted'),
        criteo_line("0", C1="68fd1e64", C26="NA"),
    ]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    data = prepare_criteo(tmp_path / "train.txt", tmp_path / "data", min_count=1)
    assert data.labels.tolist() == [1, 0, 0]
    assert data.schema.fields == tuple(criteo.FIELDS)
    assert values(data, "I1") == ["2", "-2", ""]
    assert values(data, "C1") == ["68fd1e64", '"quoted', "68fd1e64"]
    assert values(data, "C26") == ["x y", "", "NA"]
    assert values(data, "C2") == ["", "", ""]
    raw = (tmp_path / "train.txt").read_bytes()
    expected = {"name": "train.txt", "size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    assert data.manifest["sources"] == [expected]
    assert data.manifest["options"] == {"min_count": 1, "vocabulary": "all"}
    assert data.manifest["skipped"] == {"rows": 0, "unlabelled": 0, "first": []}


def test_every_row_is_read_back(tmp_path: Path) -> None:
    source = write_criteo(tmp_path / "train.txt")
    data = prepare_criteo(source, tmp_path / "data", min_count=1)
    cells = [line.split("\t") for line in source.read_text().splitlines()]
    assert data.labels.tolist() == [int(row[0]) for row in cells]
    for n, field in enumerate(data.schema.fields, start=1):
        column = [row[n] for row in cells]
        if field.startswith("I"):
            column = [slow_rule(int(cell)) or "" if cell else "" for cell in column]
        assert values(data, field) == column


def test_rare_values_share_the_out_of_vocabulary_row(tmp_path: Path) -> None:
    data = prepare_criteo(write_criteo(tmp_path / "train.txt"), tmp_path / "data")
    counts = data.vocabulary()
    assert counts.filter(pl.col("id") > 0)["count"].min() >= 10  # type: ignore[operator]
    assert counts.filter(id=0)["count"].max() > 0  # type: ignore[operator]
    assert counts.group_by("field").agg(pl.sum("count"))["count"].unique().to_list() == [300]


def test_blocks_line_ends_and_runs_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_criteo(tmp_path / "train.txt", rows=40)
    expected = prepare_criteo(source, tmp_path / "expected", min_count=2)
    again = prepare_criteo(source, tmp_path / "again", min_count=2)
    assert content(again.path) == content(expected.path)
    (tmp_path / "crlf.txt").write_bytes(source.read_bytes().replace(b"\n", b"\r\n"))
    (tmp_path / "no end.txt").write_bytes(source.read_bytes()[:-1])
    (tmp_path / "crlf no end.txt").write_bytes((tmp_path / "crlf.txt").read_bytes()[:-1])
    (tmp_path / "zipped.txt.gz").write_bytes(gzip.compress(source.read_bytes(), mtime=0))
    for size in (1 << 25, 1000, 37):
        monkeypatch.setattr(delimited, "BLOCK_BYTES", size)
        for name in ("train.txt", "crlf.txt", "no end.txt", "crlf no end.txt", "zipped.txt.gz"):
            data = prepare_criteo(tmp_path / name, tmp_path / f"{name}-{size}", min_count=2)
            assert data.data_hash == expected.data_hash


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


GOOD = criteo_line(I1="1", C1="a")


def lines(number: int, line: str | bytes) -> bytes:
    """Return a file with the given line at that number, counted from 1, and valid lines elsewhere."""
    bad = line.encode() if isinstance(line, str) else line
    return b"\n".join([*[GOOD.encode()] * (number - 1), bad, GOOD.encode()]) + b"\n"


TEST_FILE = " (the first is the label; is this Criteo's test.txt?)"
HOSTILE = {
    "a column short": (
        lines(30, GOOD[:-1]),
        f", line 30: 39 columns instead of 40{TEST_FILE}"),
    "a column more": (lines(3, GOOD + "\t"), ", line 3: 41 columns instead of 40"),
    "two wrong lines that make up for each other": (
        lines(2, GOOD + "\t\n" + GOOD[:-1]), ", line 2: 41 columns instead of 40"),
    "an empty line": (lines(2, ""), ", line 2: 1 column instead of 40"),
    "an empty line at the end": (lines(1, GOOD) + b"\n", ", line 3: 1 column instead of 40"),
    "label 2": (lines(25, criteo_line("2")), ", line 25: column label has '2', which is neither 0 nor 1"),
    "no label": (lines(5, criteo_line("")), ", line 5: column label has '', which is neither 0 nor 1"),
    "a header": (
        lines(1, "\t".join(criteo.COLUMNS)), ", line 1: column label has 'label', which is neither 0 nor 1"),
    "a fraction": (
        lines(28, criteo_line(I3="1.5")), ", line 28: column I3 has '1.5', which is not a 64-bit integer"),
    "two, the first first": (
        lines(4, criteo_line(I13="x") + "\n" + criteo_line(I1="y")),
        ", line 4: column I13 has 'x', which is not a 64-bit integer"),
    "a huge integer": (
        lines(2, criteo_line(I1="9" * 20)),
        f", line 2: column I1 has '{'9' * 20}', which is not a 64-bit integer"),
    "a space": (lines(2, criteo_line(I1=" ")), ", line 2: column I1 has ' ', which is not a 64-bit integer"),
    "Latin-1": (
        lines(29, criteo_line(C1="x").encode() + b"\xe9"), ", line 29: byte 0xe9 is not UTF-8 text"),
    "no text": (b"\x89PNG\r\n\x1a\n\0\0", ", line 1: byte 0x89 is not UTF-8 text"),
    "empty": (b"", " is empty"),
    "one long line": (b"x" * 2**21, " has a line of more than a megabyte. Is this Criteo's train.txt?"),
}  # fmt: skip


@pytest.mark.parametrize("block", [1 << 25, 100])
@pytest.mark.parametrize("case", HOSTILE)
def test_a_malformed_file_is_refused_with_its_line(
    case: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", block)
    raw, sentence = HOSTILE[case]
    source = tmp_path / "train.txt"
    source.write_bytes(raw)
    with pytest.raises(CollapseError) as caught:
        prepare_criteo(source, tmp_path / "data", min_count=1)
    assert str(caught.value) == f"{source}{sentence}"
    assert names(tmp_path) == ["train.txt"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.txt", "cannot read {}: .*"),
        ("folder", "cannot read {}: .*folder.*"),
        ("cut.gz", "{} .*gzip.*"),
        ("plain.gz", "cannot read {}: .*gzip.*"),
        ("wrong.gz", "{} .*gzip.*"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(name: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    whole = gzip.compress(lines(100, GOOD))
    (tmp_path / "cut.gz").write_bytes(whole[:-20])
    (tmp_path / "plain.gz").write_bytes(lines(1, GOOD))
    (tmp_path / "wrong.gz").write_bytes(whole[:15] + b"\xff" * 30 + whole[45:])
    before = names(tmp_path)
    with pytest.raises(CollapseError, match=sentence.format(tmp_path / name)):
        prepare_criteo(tmp_path / name, tmp_path / "parent" / "data", min_count=1)
    assert [path for path in tmp_path.rglob("*") if "partial" in path.name or path.name == "data"] == []
    assert set(names(tmp_path)) - set(before) <= {"parent"}


def grow(source: Path) -> None:
    with source.open("a") as file:
        file.write(GOOD + "\n")


def rewrite(source: Path) -> None:
    os.utime(source, ns=(0, 0))


@pytest.mark.parametrize("change", [grow, rewrite])
def test_a_file_that_changes_while_it_is_read_is_refused(
    change: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_criteo(tmp_path / "train.txt", rows=20)
    parse = criteo._parse
    blocks: list[pl.DataFrame] = []

    def changing(frame: pl.DataFrame) -> Parsed:
        if not blocks:
            change(source)
        blocks.append(frame)
        return parse(frame)

    monkeypatch.setattr(criteo, "_parse", changing)
    with pytest.raises(CollapseError, match="train.txt changed"):
        prepare_criteo(source, tmp_path / "data")
    assert names(tmp_path) == ["train.txt"]


def test_the_output_is_replaced_only_when_asked(tmp_path: Path) -> None:
    first = write_criteo(tmp_path / "first.txt", seed=1)
    second = write_criteo(tmp_path / "second.txt", seed=2)
    before = prepare_criteo(first, tmp_path / "data")
    with pytest.raises(CollapseError, match="data already exists"):
        prepare_criteo(second, tmp_path / "data")
    assert prepare_criteo(first, tmp_path / "data", overwrite=True).data_hash == before.data_hash
    assert prepare_criteo(second, tmp_path / "data", overwrite=True).data_hash != before.data_hash
    assert names(tmp_path) == ["data", "first.txt", "second.txt"]


def test_ids_do_not_depend_on_the_order_of_lines(tmp_path: Path) -> None:
    source = write_criteo(tmp_path / "train.txt")
    (tmp_path / "reversed.txt").write_text("".join(source.read_text().splitlines(keepends=True)[::-1]))
    one = prepare_criteo(source, tmp_path / "one", min_count=2)
    two = prepare_criteo(tmp_path / "reversed.txt", tmp_path / "two", min_count=2)
    np.testing.assert_array_equal(one.ids, two.ids[::-1])
