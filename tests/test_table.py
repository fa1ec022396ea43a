"""A user's own tables: compared with plain Python, hostile files, and from the command line to a diagnosis."""

import csv
import gzip
import io
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.training.data.sources.table.bins import Bins
from collapse.training.data.sources.table.plan import TableSettings, plan_table
from collapse.training.data.sources.table.prepare import prepare_table
from collapse.training.data.store import vocabulary
from collapse.training.data.store.prepared import PreparedData
from collapse.training.data.store.split import split_rows
from collapse.training.data.text import delimited, parquet_file
from collapse.training.data.text.delimited_file import Reading
from tests.conftest import Collapse
from tests.test_bins import slow_quantiles

ROOT = Path(__file__).parents[1]
LOG2 = Bins("log2")
Row = tuple[bool, str, float | None]


def prepared(paths: Path | list[Path], out: Path, label: str = "y", **options: Any) -> PreparedData:
    known = {name: options.pop(name) for name in list(options) if name in TableSettings.__dataclass_fields__}
    plan = plan_table([paths] if isinstance(paths, Path) else paths, TableSettings(label=label, **known))
    return prepare_table(plan, out, **({"min_count": 1} | options))


def attempted(*arguments: Any, **options: Any) -> PreparedData | str:
    """Return the data set, or the error message."""
    try:
        return prepared(*arguments, **options)
    except CollapseError as error:
        return str(error)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def written(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def values(data: PreparedData, field: str) -> list[str | None]:
    vocabulary = data.vocabulary().filter(field=field)["value"].to_list()
    return [vocabulary[n] for n in data.ids[:, data.schema.fields.index(field)]]


SMALL = "y,shop,price\n1,a,1.5\n0,b,20\n1,a,\n0,,3\n"


class TestColumns:
    def test_small_rows_by_hand(self, tmp_path: Path) -> None:
        data = prepared(written(tmp_path / "log.csv", SMALL), tmp_path / "data", bins=LOG2)
        assert data.schema.name == "log"
        assert data.schema.fields == ("shop", "price")
        assert data.schema.descriptions == ("categorical", "number, in bins log2")
        assert data.schema.label == "y is 1 or true"
        assert data.labels.tolist() == [1, 0, 1, 0]
        assert values(data, "shop") == ["a", "b", "a", ""]
        assert values(data, "price") == ["[2^0, 2^1)", "[2^4, 2^5)", "", "[2^1, 2^2)"]
        assert [source["name"] for source in data.manifest["sources"]] == ["log.csv"]

    def test_the_rule_of_guessing(self, tmp_path: Path) -> None:
        text = "y,whole,fraction,text,empty,infinite,mixed\n1,1,1,x,,inf,1.5\n0,2,2.5,y,,1.5,x\n"
        plan = plan_table([written(tmp_path / "a.csv", text)], TableSettings(label="y"))
        assert {column.name: (column.role, column.why) for column in plan.columns} == {
            "y": ("label", "asked for"),
            "whole": ("categorical", "whole numbers"),
            "fraction": ("numeric", "numbers with fractions"),
            "text": ("categorical", "text"),
            "empty": ("categorical", "all cells are empty"),
            "infinite": ("categorical", "text"),
            "mixed": ("categorical", "text"),
        }
        settings = TableSettings(label="y", numeric=("whole",), categorical=("fraction",), drop=("text", "empty"))
        asked = plan_table([tmp_path / "a.csv"], settings)
        assert asked.named("numeric") == ("whole",)
        assert asked.named("categorical") == ("fraction", "infinite", "mixed")
        assert asked.named("left out") == ("text", "empty")

    def test_spaces_and_missing_texts(self, tmp_path: Path) -> None:
        source = written(tmp_path / "a.csv", "y, shop ,n\n1, a,?\n0,a ,1.5\n0,NA, 2\n")
        data = prepared(source, tmp_path / "data", missing=("?", "NA"), bins=LOG2)
        assert values(data, "shop") == ["a", "a", ""]
        assert values(data, "n") == ["", "[2^0, 2^1)", "[2^1, 2^2)"]

    def test_without_a_header(self, tmp_path: Path) -> None:
        source = written(tmp_path / "u.data", "1|a|x\n0|b|y\n")
        reading = Reading(separator="|", header=False)
        data = prepared(source, tmp_path / "data", "column_1", reading=reading)
        assert data.schema.fields == ("column_2", "column_3")
        named = Reading(separator="|", columns=("clicked", "shop", "site"))
        data = prepared(source, tmp_path / "named", "clicked", reading=named)
        assert data.schema.fields == ("shop", "site")
        assert values(data, "shop") == ["a", "b"]

    def test_a_column_without_a_name_is_numbered(self, tmp_path: Path) -> None:
        """As pandas writes its index."""
        source = written(tmp_path / "a.csv", ",y,s\n0,1,a\n1,0,b\n")
        assert plan_table([source], TableSettings(label="y")).named("categorical") == ("column_1", "s")


class TestLabels:
    @pytest.mark.parametrize(
        ("cells", "label", "positive", "expected"),
        [
            (["1", "0", "1"], "y", None, [1, 0, 1]),
            (["1.0", "0.0", "0"], "y", None, [1, 0, 0]),
            (["True", "false", "TRUE"], "y", None, [1, 0, 1]),
            (["yes", "no", "maybe"], "y", "yes", [1, 0, 0]),
            (["15", "15.5", "-3"], "y > 15", None, [0, 1, 0]),
            (["15", "15.5", "-3"], "y>=15", None, [1, 1, 0]),
            (["15", "15.5", "-3"], "y < 1.5e1", None, [0, 0, 1]),
            (["15", "15.5", "-3"], " y <= 15 ", None, [1, 0, 1]),
        ],
    )
    def test_rules(
        self, cells: list[str], label: str, positive: str | None, expected: list[int], tmp_path: Path
    ) -> None:
        rows = "".join(f"{cell},{n}\n" for n, cell in enumerate(cells))
        source = written(tmp_path / "a.csv", f"y,s\n{rows}")
        assert prepared(source, tmp_path / "data", label, positive=positive).labels.tolist() == expected

    def test_a_column_that_is_called_like_a_threshold(self, tmp_path: Path) -> None:
        source = written(tmp_path / "a.csv", "delay > 15,s\n1,a\n0,b\n")
        assert prepared(source, tmp_path / "data", "delay > 15").labels.tolist() == [1, 0]

    def test_rows_without_a_label(self, tmp_path: Path) -> None:
        source = written(tmp_path / "a.csv", "y,s\n1,a\n,b\n0,c\nNA,d\n")
        with pytest.raises(CollapseError, match=r"a.csv, line 3: column y .*--skip-unlabelled"):
            prepared(source, tmp_path / "data", missing=("NA",))
        for label in ("y", "y > 0.5"):
            data = prepared(source, tmp_path / label, label, missing=("NA",), skip_unlabelled=True)
            assert values(data, "s") == ["a", "c"]
            assert data.labels.tolist() == [1, 0]
            assert data.manifest["skipped"] == {"rows": 0, "unlabelled": 2, "first": []}

    def test_labels_that_are_all_one(self, tmp_path: Path) -> None:
        source = written(tmp_path / "a.csv", "y,s\nyes,a\nno,b\n")
        with pytest.raises(CollapseError, match=r"\(y is Yes\)"):
            prepared(source, tmp_path / "data", positive="Yes")


ROWS = st.lists(
    st.tuples(
        st.booleans(),
        st.text(st.sampled_from('ab",\n é'), max_size=4),
        st.none() | st.floats(-100, 100) | st.integers(-3, 3).map(float),
    ),
    min_size=2,
    max_size=30,
)


NAMES = ["y", "text", "number", "*", "^.*$", "count", "value", "id", "literal"]
"""Column names, some with a special meaning in Polars."""


def slow(rows: list[Row], bins: int, min_count: int, training: set[int]) -> list[Any]:
    """Prepare with plain Python: the labels, and every field's values, None if out of vocabulary."""
    known = [number for n, (_, _, number) in enumerate(rows) if number is not None and n in training]
    edges = slow_quantiles(known, bins)
    text = [cell.strip(" \n") for _, cell, _ in rows]
    binned = [None if number is None else sum(edge < number for edge in edges) for _, _, number in rows]
    fields: list[list[Any]] = []
    for column in (text, binned):
        counts = Counter(value for n, value in enumerate(column) if n in training)
        fields.append([(value,) if counts[value] >= min_count else None for value in column])
    return [[int(label) for label, _, _ in rows], *fields]


@given(
    rows=ROWS,
    bins=st.integers(2, 6),
    min_count=st.integers(1, 3),
    seed=st.none() | st.integers(0, 3),
    block=st.sampled_from([1, 20, 1 << 20]),
    kind=st.sampled_from(["csv", "tsv", "csv.gz", "parquet", "two"]),
    names=st.permutations(NAMES).map(lambda names: names[:3]),
)
def test_every_encoder_agrees_with_plain_python(
    rows: list[Row],
    bins: int,
    min_count: int,
    seed: int | None,
    block: int,
    kind: str,
    names: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("table")
    label, text, number = names
    paths = [write_table(folder / f"rows.{'csv' if kind == 'two' else kind}", rows, names)]
    if kind == "two":
        middle = len(rows) // 2
        paths = [
            write_table(folder / f"{n}", part, names)
            for n, part in (("a.parquet", rows[:middle]), ("b.csv", rows[middle:]))
        ]
    training = set(range(len(rows)) if seed is None else split_rows(len(rows), seed).train.tolist())
    expected = slow(rows, bins, min_count, training)
    settings: dict[str, Any] = {
        "categorical": (text,),
        "numeric": (number,),
        "bins": Bins("quantile", float(bins)),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK_BYTES", block)
        patch.setattr(parquet_file, "BATCH_ROWS", max(block // 10, 1))
        patch.setattr(vocabulary, "GROUP", block)
        data = attempted(paths, folder / "data", label, min_count=min_count, vocabulary_split=seed, **settings)
    if isinstance(data, str):
        assert min(len(set(field)) for field in expected) < 2 or not training, data
        assert not (folder / "data").exists()
        return
    assert data.labels.tolist() == expected[0]
    for field, of_field in zip((text, number), expected[1:], strict=True):
        found = values(data, field)
        # Bins have other names in plain Python: which rows share one is compared.
        assert [value is None for value in found] == [value is None for value in of_field]
        assert len(set(zip(found, of_field, strict=True))) == len(set(found)) == len(set(of_field))
    assert values(data, text) == [value and value[0] for value in expected[1]]


def write_table(path: Path, rows: list[Row], names: Sequence[str] = ("y", "text", "number")) -> Path:
    if path.suffix == ".parquet":
        schema = dict(zip(names, (pl.Boolean, pl.String, pl.Float64), strict=True))
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        frame.write_parquet(path)
        return path
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if path.suffix == ".tsv" else ",")
    writer.writerow(names[::-1])
    writer.writerows(("" if number is None else repr(number), cell, int(label)) for label, cell, number in rows)
    return written(path, text.getvalue())


class TestParquet:
    def test_types_become_text(self, tmp_path: Path) -> None:
        frame = pl.DataFrame(
            {
                "y": [True, False, True],
                "whole": pl.Series([1.0, None, 3.0]),
                "fraction": pl.Series([0.1, float("nan"), 1e300], dtype=pl.Float64),
                "small": pl.Series([0.1, 2.0, None], dtype=pl.Float32),
                "id": pl.Series([2**63 - 1, 0, 1], dtype=pl.Int64),
                "kind": pl.Series(["a", "b", None], dtype=pl.Categorical),
                "day": [date(2013, 1, 2), None, date(2013, 1, 3)],
            }
        )
        frame.write_parquet(tmp_path / "a.parquet")
        data = prepared(tmp_path / "a.parquet", tmp_path / "data", categorical=tuple(frame.columns[1:]))
        assert values(data, "whole") == ["1", "", "3"]
        assert values(data, "fraction") == ["0.1", "", "1e+300"]
        assert values(data, "small") == ["0.1", "2", ""]
        assert values(data, "id") == [str(2**63 - 1), "0", "1"]
        assert values(data, "kind") == ["a", "b", ""]
        assert values(data, "day") == ["2013-01-02", "", "2013-01-03"]

    def test_what_has_no_text_is_refused_unless_left_out(self, tmp_path: Path) -> None:
        frame = pl.DataFrame({"y": [1, 0], "s": ["a", "b"], "history": [[1], [2, 3]]})
        frame.write_parquet(tmp_path / "a.parquet")
        with pytest.raises(CollapseError, match="'history' .*list<.*--drop"):
            prepared(tmp_path / "a.parquet", tmp_path / "data")
        assert prepared(tmp_path / "a.parquet", tmp_path / "data", drop=("history",)).schema.fields == ("s",)

    def test_faults_are_told_by_their_row(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquet_file, "BATCH_ROWS", 2)
        pl.DataFrame({"y": [1, 0, 1, 7, 0], "s": list("abcde")}).write_parquet(tmp_path / "a.parquet")
        with pytest.raises(CollapseError, match=r"a.parquet, row 4: column y .*'7'"):
            prepared(tmp_path / "a.parquet", tmp_path / "data")
        data = prepared(tmp_path / "a.parquet", tmp_path / "data", skip_bad=1)
        assert values(data, "s") == ["a", "b", "c", "e"]
        [told] = data.manifest["skipped"]["first"]
        assert (told["file"], told["row"]) == ("a.parquet", 4)


GOOD = "y,s,n\n1,a,1.5\n0,b,2.5\n"
HOSTILE: dict[str, tuple[str, bytes, dict[str, Any], str]] = {
    "nothing": ("a.csv", b"", {}, "a.csv is empty"),
    "blank": ("a.csv", b"\n\n", {}, "a.csv is empty|there is no column 'y'"),
    "a header alone": ("a.csv", b"y,s\n", {}, "a.csv is empty"),
    "a short row": ("a.csv", GOOD.encode() + b"1,a\n", {}, "line 4: 2 columns instead of 3"),
    "a long row": ("a.csv", GOOD.encode() + b"\n1,a,2,3\n", {}, "line 5: 4 columns instead of 3"),
    "no such label": ("a.csv", b"x,s\n1,a\n", {}, "there is no column 'y' .given as label.: the columns are x, s"),
    "another separator": ("a.csv", b"y;s\n1;a\n", {}, "separated by ';', pass --separator ';'"),
    "tabs in csv": ("a.csv", b"y\ts\n1\ta\n", {}, "separated by tab, pass --separator tab"),
    "commas in tsv": ("a.tsv", b"y,s\n1,a\n", {}, "separated by ',', pass --separator ','"),
    "Excel's line": ("a.csv", b"sep=;\ny;s\n1;a\n", {}, "line 1: 'sep=;' is for Excel: .* --separator ';'"),
    "a long separator": (
        "a.dat", b"1::a\n", {"reading": Reading(separator="::")}, "got '::': replace a longer one in the file"),
    "two words": (
        "a.csv", b"y,s\nno,a\nno,b\nyes,c\n", {}, "'no' and 'yes': say which of them means 1, .*--positive yes"),
    "two words that say nothing": (
        "a.csv", b"y,s\nx y,a\nb,b\nb,c\n", {}, "'b' and 'x y': say which of them means 1, .*--positive 'x y'"),
    "label 2": ("a.csv", GOOD.encode() + b"2,a,1\n", {}, "line 4: column y has '2', which is not one"),
    "text in a number": (
        "a.csv", GOOD.encode() + b"1,a,x\n", {"numeric": ("n",)}, "line 4: column n has 'x', which is not"),
    "infinity": ("a.csv", GOOD.encode() + b"1,a,inf\n", {"numeric": ("n",)}, "line 4: column n has 'inf'"),
    "latin-1": ("a.csv", GOOD.encode() + b"1,caf\xe9,1\n", {}, "line 4: byte 0xe9 is not UTF-8 text"),
    "a header in latin-1": ("a.csv", b"y,caf\xe9\n1,a\n", {}, "line 1: byte 0xe9 is not UTF-8 text"),
    "utf-16": ("a.csv", GOOD.encode("utf-16"), {}, "is UTF-16 text: pass --encoding utf-16"),
    "a stray quotation mark": (
        "a.csv", b'y,s\n1,a\n0,5" pipe\n', {}, "line 3: a quotation mark is inside a cell .*--no-quotes"),
    "a cell that never ends": ("a.csv", b'y,s\n1,a\n0,"b\n1,c\n', {}, "line 3: a quoted cell is never"),
    "a quoted header that never ends": ("a.csv", b'y,"s\n1,a\n0,b\n', {}, "line 1"),
    "two columns of one name": ("a.csv", b"y,s,s\n1,a,b\n", {}, "has two columns named 's'"),
    "one value": (
        "a.csv", b"y,s,t,u\n1,a,b,c\n0,a,b,d\n", {},
        "'s', 't' have the same value in all rows: use --drop s,t"),
    "two reasons": (
        "a.csv", b"y,row,os\n1,1,A\n0,2,A\n1,3,A\n", {"min_count": 2},
        "'row' has no value that occurs in 2 rows or more and 'os' has the same value in all rows, 'A': .*row,os"),
    "rare values": (
        "a.csv", b"y,s\n1,a\n0,b\n", {"min_count": 3},
        "'s' has no value that occurs in 3 rows or more"),
    "only the label": ("a.csv", b"y\n1\n0\n", {}, "no column other than the label 'y'"),
    "a column twice": (
        "a.csv", GOOD.encode(), {"numeric": ("n",), "drop": ("n",)}, "column 'n' cannot be both numeric"),
    "the label as a field": (
        "a.csv", GOOD.encode(), {"numeric": ("y",)}, "column 'y' cannot be both label and numeric"),
    "an unknown column": (
        "a.csv", GOOD.encode(), {"drop": ("m",)},
        "there is no column 'm' .given as left out.: the columns are y, s, n"),
    "a threshold on text": (
        "a.csv", GOOD.encode(), {"label": "s > 3"}, "line 2: column s has 'a', which is not a number"),
    "a threshold that is none": ("a.csv", GOOD.encode(), {"label": "n > 1e"}, "compares with '1e', which is no"),
    "an unknown kind": ("a.txt", GOOD.encode(), {}, "does not end in .csv, .tsv or .parquet: .* --separator"),
    "a cut gzip": ("a.csv.gz", gzip.compress(GOOD.encode() * 99)[:-9], {}, "is not a complete gzip file"),
    "no gzip": ("a.csv.gz", GOOD.encode(), {}, "a.csv.gz: not a gzipped file"),
    "no parquet": ("a.parquet", b"hello", {}, "is not a complete Parquet file"),
    "nothing, in parquet": ("a.parquet", b"", {}, "is not a complete Parquet file"),
    "parquet read as text": (
        "a.parquet", b"", {"reading": Reading(separator=";")}, "is a Parquet file, for which options of text"),
    "a long line": ("a.csv", b"x" * 3_000_000, {}, "line 1: this row is longer than a megabyte"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_get_a_sentence_and_leave_nothing(case: str, tmp_path: Path) -> None:
    name, content, options, sentence = HOSTILE[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CollapseError, match=sentence) as caught:
        prepared(tmp_path / name, tmp_path / "data", **options)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == [name]


@given(
    content=st.binary(max_size=60) | st.text(st.sampled_from('ys01,"\n\r\t;'), max_size=40).map(str.encode),
    zipped=st.booleans(),
)
def test_any_bytes_are_rows_or_a_sentence(
    content: bytes, zipped: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    path = folder / ("a.csv.gz" if zipped else "a.csv")
    path.write_bytes(b"y,s\n" + content)
    data = attempted(path, folder / "data")
    if isinstance(data, str):
        assert str(path) in data or "labels are" in data or "field" in data
        assert names(folder) == [path.name]
    else:
        read = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
        rows = [row for row in read if row]
        assert data.labels.tolist() == [int(row[0]) for row in rows]
        assert values(data, "s") == [row[1].replace("\r\n", "\n").strip() for row in rows]


@given(cut=st.integers(0, 2000), flipped=st.none() | st.integers(0, 2000))
def test_a_damaged_parquet_file_is_rows_or_a_sentence(
    cut: int, flipped: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    path = folder / "a.parquet"
    pl.DataFrame({"y": [0, 1] * 20, "s": [f"value {n % 7}" for n in range(40)]}).write_parquet(path)
    content = bytearray(path.read_bytes())
    if flipped is not None:
        content[flipped % len(content)] ^= 0xFF
    path.write_bytes(content if flipped is not None else content[: cut % len(content)])
    data = attempted(path, folder / "data")
    if isinstance(data, str):
        assert "\n" not in data
        assert names(folder) == ["a.parquet"]
    else:
        assert flipped is not None


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("change", ["cut", "grow", "touch"])
def test_a_file_that_changes_while_it_is_read(
    kind: str, change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[Row] = [(n % 2 == 0, f"s{n % 5}", n / 3) for n in range(3000)]
    path = write_table(tmp_path / f"a.{kind}", rows)
    plan = plan_table([path], TableSettings(label="y"))
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 5000)
    monkeypatch.setattr(parquet_file, "BATCH_ROWS", 200)
    from collapse.training.data.sources.table import prepare

    parse, calls = prepare._parse, iter(range(10**6))

    def changing(*arguments: Any) -> Any:
        if next(calls) == 1:
            if change == "cut":
                os.truncate(path, path.stat().st_size // 3)
            elif change == "grow":
                with path.open("ab") as file:
                    file.write(b"1.5,s1,0\n")
            else:
                os.utime(path, ns=(0, 0))
        return parse(*arguments)

    monkeypatch.setattr(prepare, "_parse", changing)
    with pytest.raises(CollapseError, match=rf"a.{kind} changed while it was read"):
        prepare_table(plan, tmp_path / "data")
    assert names(tmp_path) == [f"a.{kind}"]


class TestSeveralFiles:
    def test_they_are_one_table(self, tmp_path: Path) -> None:
        first = written(tmp_path / "1.csv", "y,s,t\n1,a,x\n0,b,y\n")
        second = written(tmp_path / "2.tsv.gz", "t\ty\ts\nz\t1\ta\n")
        data = prepared([first, second], tmp_path / "data")
        assert data.labels.tolist() == [1, 0, 1]
        assert values(data, "s") == ["a", "b", "a"]
        assert values(data, "t") == ["x", "y", "z"]
        assert [source["name"] for source in data.manifest["sources"]] == ["1.csv", "2.tsv.gz"]

    def test_other_columns_are_refused(self, tmp_path: Path) -> None:
        first = written(tmp_path / "1.csv", "y,s\n1,a\n")
        for text, sentence in (
            ("y,t\n", "2.csv has no column 's', unlike"),
            ("y,s,t\n", "2.csv has a column 't'"),
        ):
            second = written(tmp_path / "2.csv", text)
            with pytest.raises(CollapseError, match=sentence):
                plan_table([first, second], TableSettings(label="y"))

    def test_malformed_rows_are_told_with_their_file(self, tmp_path: Path) -> None:
        first = written(tmp_path / "1.csv", "y,s\n1,a\n0\n")
        second = written(tmp_path / "2.csv", "y,s\n2,a\n0,b\n")
        data = prepared([first, second], tmp_path / "data", skip_bad=2)
        told = [(row["file"], row["line"]) for row in data.manifest["skipped"]["first"]]
        assert told == [("1.csv", 3), ("2.csv", 2)]
        with pytest.raises(CollapseError, match=r"2.csv, line 2: .*1 malformed"):
            prepared([first, second], tmp_path / "more", skip_bad=1)


def shop_log(path: Path, rows: int = 400) -> Path:
    generator = np.random.default_rng(0)
    shop, hour = generator.integers(0, 8, rows), generator.integers(0, 24, rows)
    price = generator.lognormal(2, 1, rows)
    bought = generator.random(rows) < 0.2 + 0.5 * (shop % 2)
    lines = [
        f"{n},{int(b)},shop {s},{h},{p:.2f}"
        for n, (b, s, h, p) in enumerate(zip(bought, shop, hour, price, strict=True))
    ]
    return written(path, "\n".join(["row_id,bought,shop,hour,price", *lines]) + "\n")


def test_from_a_file_to_a_diagnosis(tmp_path: Path, collapse: Collapse) -> None:
    """The commands in the help, on a log as in its example."""
    log = shop_log(tmp_path / "log.csv.gz")
    arguments = ("prepare", "table", log, "--label", "bought", "--numeric", "price,hour", "--bins", "quantile:4")
    code, out, err = collapse(*arguments, "-o", tmp_path / "shop", "--dry-run")
    assert (code, err) == (0, "")
    assert not (tmp_path / "shop").exists()
    assert re.search(r"^row_id +categorical +whole numbers ", out, re.MULTILINE)
    assert "(different in every row: --drop?)" in out
    assert re.search(r"^price +numeric +asked for ", out, re.MULTILINE)
    code, _, err = collapse(*arguments, "-o", tmp_path / "shop")
    assert (code, "--drop row_id" in err) == (2, True)
    code, out, err = collapse(*arguments, "-o", tmp_path / "shop", "--drop", "row_id")
    assert (code, err) == (0, "")
    assert "log: 400 rows" in out
    assert "3 fields with cardinalities " in out
    code, out, err = collapse("data", tmp_path / "shop", "--verify")
    assert (code, err) == (0, "")
    assert "bought is 1 or true" in out
    train = ("train", "--data", tmp_path / "shop", "--model", "fm", "--epochs", 1, "--out", tmp_path / "run")
    assert collapse(*train)[0] == 0
    code, out, err = collapse("analyze", tmp_path / "run" / "best.pt")
    assert (code, err) == (0, "")
    assert "shop" in out


def test_names_with_commas_are_quoted(tmp_path: Path, collapse: Collapse) -> None:
    source = written(tmp_path / "a.csv", 'y,"a, b",c\n1,x,y\n0,z,w\n')
    code, out, _ = collapse(
        "prepare", "table", source, "--label", "y", "--drop", 'c,"a, b"', "-o", tmp_path / "data", "--dry-run"
    )
    assert code == 2
    code, out, _ = collapse(
        "prepare", "table", source, "--label", "y", "--drop", '"a, b"', "-o", tmp_path / "data", "--dry-run"
    )
    assert (code, out.count("left out")) == (0, 1)


@pytest.mark.parametrize("largest_file", [300, 4000, 20_000])
def test_a_full_disk_leaves_nothing_behind(largest_file: int, tmp_path: Path) -> None:
    source = shop_log(tmp_path / "log.csv", rows=3000)
    code = (
        "import sys; sys.dont_write_bytecode = True;"  # the limit would cut bytecode short
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({largest_file},) * 2); "
        "from collapse.cli import main; main()"
    )
    arguments = ["prepare", "table", str(source), "--label", "bought", "-o", str(tmp_path / "data")]
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert found.stderr.startswith(f"Error: cannot write {tmp_path / 'data'}: file too large")
    assert names(tmp_path) == ["log.csv"]


ARROW_TYPES: dict[str, Any] = {
    "decimal256": pa.array([Decimal(n % 5) for n in range(60)], pa.decimal256(60, 3)),
    "a structure": pa.array([{"a": n} for n in range(60)]),
    "bytes": pa.array([b"a"] * 60),
    "a duration": pa.array(list(range(60)), pa.duration("s")),
    "a map": pa.array([[("k", 1)]] * 60, pa.map_(pa.string(), pa.int64())),
}


@pytest.mark.parametrize("kind", ARROW_TYPES)
def test_arrow_types_that_have_no_text_get_one_sentence(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Polars panics on some of them and prints its own message."""
    labels = pa.array([n % 2 for n in range(60)])
    pq.write_table(pa.table({"y": labels, "x": ARROW_TYPES[kind], "a": labels}), tmp_path / "a.parquet")
    with pytest.raises(CollapseError, match="column 'x' has type .*--drop"):
        prepared(tmp_path / "a.parquet", tmp_path / "data")
    assert "panicked" not in capfd.readouterr().err


def test_a_column_of_parquet_without_a_name(tmp_path: Path) -> None:
    labels = pa.array([n % 2 for n in range(60)])
    pq.write_table(pa.Table.from_arrays([labels, labels], names=["y", ""]), tmp_path / "a.parquet")
    with pytest.raises(CollapseError, match="column 2 has no name"):
        prepared(tmp_path / "a.parquet", tmp_path / "data")


def test_a_long_cell_is_shown_by_its_beginning(tmp_path: Path, collapse: Collapse) -> None:
    rows = "".join(f"{n % 2},{'x' * 100_000 if n == 7 else n % 5}\n" for n in range(60))
    (tmp_path / "a.csv").write_text("y,x\n" + rows)
    words = ("prepare", "table", tmp_path / "a.csv", "--label", "y", "--numeric", "x", "-o", tmp_path / "o")
    code, out, err = collapse(*words)
    assert code == 2
    assert "(100,000 characters), which is not a finite number" in err
    assert len(out) + len(err) < 2000


@pytest.mark.parametrize("name", ["tab", r"\t", "\t"])
def test_separators_with_names(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.inter").write_text("y\ts\n1\ta\n0\tb\n1\ta\n0\tb\n")
    plan = plan_table([tmp_path / "a.inter"], TableSettings(label="y", reading=Reading(separator=name)))
    assert [column.name for column in plan.columns] == ["y", "s"]


@given(data=st.data())
def test_ids_written_as_floats_are_the_same_values(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In any rows, next to missing cells, and counted."""
    folder = tmp_path_factory.mktemp("ids")
    ids = data.draw(st.lists(st.integers(-3, 3), min_size=6, max_size=40))
    texts = [data.draw(st.sampled_from([f"{each}", f"{each}.0", f"{each}.00", ""])) for each in ids]
    rows = [f"{n % 2},{text},{n % 3}" for n, text in enumerate(texts)]
    (folder / "a.csv").write_text("\n".join(["y,item,other", "1,7,0", "0,7,1", "1,8,1", "0,8,0", *rows]) + "\n")
    found = prepared(folder / "a.csv", folder / "data")
    assert values(found, "item") == ["7", "7", "8", "8", *(text.split(".")[0] for text in texts)]
    floats = sum("." in text for text in texts)
    assert found.manifest["options"].get("read_as_whole", {}).get("item", 0) == floats


def test_text_that_looks_like_floats_stays(tmp_path: Path) -> None:
    """In a column with other text, such as versions, 2.0 and 2 are two values."""
    rows = ["1,2.0,a", "0,2,b", "1,v3,a", "0,v3,b"]
    (tmp_path / "a.csv").write_text("\n".join(["y,version,s", *rows]) + "\n")
    found = prepared(tmp_path / "a.csv", tmp_path / "data")
    assert values(found, "version") == ["2.0", "2", "v3", "v3"]


def test_a_dry_run_needs_no_folder(tmp_path: Path, collapse: Collapse) -> None:
    (tmp_path / "a.csv").write_text("y,item,s\n1,1,a\n0,2.0,b\n1,1.0,a\n0,2,b\n")
    code, out, err = collapse("prepare", "table", tmp_path / "a.csv", "--label", "y", "--dry-run")
    assert (code, err) == (0, "")
    assert "item" in out
    code, _, err = collapse("prepare", "table", tmp_path / "a.csv", "--label", "y")
    assert (code, "-o is missing" in err) == (2, True)
    code, out, err = collapse("prepare", "table", tmp_path / "a.csv", "--label", "y", "-o", tmp_path / "d")
    assert (code, err) == (0, "")
    assert "item: 2 cells such as 2.0 are the value 2" in out
