"""Dates as fields, splits in the order of time, and text in other encodings."""

# Times in a table have no zone.
# ruff: noqa: DTZ001

import datetime as dt
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.training.data.load import load_data
from collapse.training.data.sources.table.bins import Bins
from collapse.training.data.sources.table.dates import PARTS, date_fields, parse_dates
from collapse.training.data.store.prepared import verify_prepared
from collapse.training.data.store.split import parts_in_order, split_of
from collapse.training.data.text.delimited_file import Reading
from tests.conftest import Collapse
from tests.test_table import prepared, values

TIMES = st.datetimes(dt.datetime(2001, 9, 10), dt.datetime(2200, 1, 1))
"""From the first ten-digit number of seconds on."""
EPOCH = dt.datetime(1970, 1, 1)


@given(
    st.lists(TIMES, min_size=1, max_size=20),
    st.sampled_from(
        ["%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y/%m/%d %H:%M:%S.%f+0200", "%Y-%m-%d %H:%M:%S.%f EST"]
    ),
)
def test_dates_are_read_as_python_writes_them(times: list[dt.datetime], form: str) -> None:
    cells = pl.Series("t", [each.strftime(form) for each in times])
    assert parse_dates(cells).to_list() == times


@given(st.lists(TIMES, min_size=1, max_size=20))
def test_hour_weekday_and_month_are_those_of_the_calendar(times: list[dt.datetime]) -> None:
    whole = [each.replace(microsecond=0) for each in times]
    for cells in (
        pl.Series("t", [f"{(each - EPOCH).total_seconds():.0f}" for each in whole]),
        pl.Series("t", [f"{(each - EPOCH).total_seconds() * 1000:.0f}" for each in whole]),
    ):
        hour, weekday, month = date_fields(parse_dates(cells), PARTS)
        assert hour.to_list() == [str(each.hour) for each in whole]
        assert weekday.to_list() == [each.strftime("%A") for each in whole]
        assert month.to_list() == [str(each.month) for each in whole]


def test_what_is_not_a_date() -> None:
    cells = pl.Series("t", ["2026-13-01", "27.11.2026", "yes", "12", "", None, "2026-02-30 10:00"])
    assert parse_dates(cells).null_count() == len(cells)


@given(st.lists(st.integers(0, 9) | st.floats(-5, 5), max_size=60))
def test_parts_are_in_order(keys: list[float]) -> None:
    """No training row comes after one of another part, and the sizes are those of the random split."""
    parts = parts_in_order(np.array(keys, dtype=float))
    sizes = np.bincount(parts, minlength=3).tolist()
    rows = len(keys)
    assert sizes == [int(0.8 * rows), int(0.1 * rows), rows - int(0.8 * rows) - int(0.1 * rows)]
    order = sorted(range(rows), key=lambda row: (keys[row], row))
    assert parts[order].tolist() == sorted(parts.tolist())


def write_log(path: Path, rows: int = 300) -> list[dt.datetime]:
    """Write a log in no order of time, as CSV and as Parquet, and return its times."""
    random = np.random.default_rng(0)
    hours = random.permutation(rows * 7)[:rows]
    times = [dt.datetime(2026, 1, 1) + dt.timedelta(hours=int(each)) for each in hours]
    table = pl.DataFrame(
        {
            "time": times,
            "city": random.choice(["Genève", "Zürich"], rows),
            "price": random.standard_normal(rows),
            "y": random.integers(0, 2, rows),
        }
    )
    table.write_parquet(path.with_suffix(".parquet"))
    table.write_csv(path.with_suffix(".csv"))
    return times


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("vocabulary", [None, 0])
def test_a_split_in_the_order_of_time(suffix: str, vocabulary: int | None, tmp_path: Path) -> None:
    """Training uses it, whatever the seed. Vocabulary and quantiles are from its training rows."""
    times = write_log(tmp_path / "log")
    options: dict[str, Any] = {"dates": ("time",), "split": "time:time", "bins": Bins("quantile", 4)}
    data = prepared(
        (tmp_path / "log").with_suffix(suffix), tmp_path / "data", vocabulary_split=vocabulary, **options
    )
    assert data.schema.fields == ("time_hour", "time_weekday", "time_month", "city", "price")
    assert values(data, "time_weekday") == [each.strftime("%A") for each in times]
    splits = [split_of(data, seed) for seed in (0, 1)]
    np.testing.assert_array_equal(splits[0].train, splits[1].train)
    of = [np.array(times)[rows] for rows in (splits[0].train, splits[0].validation, splits[0].test)]
    assert [len(each) for each in of] == [240, 30, 30]
    assert of[0].max() <= of[1].min()
    assert of[1].max() <= of[2].min()
    if vocabulary is not None:
        prices = pl.read_parquet(tmp_path / "log.parquet")["price"].to_numpy()[splits[0].train]
        edges = {edge for value in set(values(data, "price")) for edge in re.findall(r"-?\d[\d.e-]*", value or "")}
        assert edges <= {str(each) for each in prices}
    verify_prepared(data)
    np.save(tmp_path / "data" / "split.npy", np.zeros(300, np.uint8))
    with pytest.raises(CollapseError, match="has changed since it was written"):
        load_data(tmp_path / "data")
    (tmp_path / "data" / "split.npy").unlink()
    with pytest.raises(CollapseError, match=r"split\.npy"):
        load_data(tmp_path / "data")


def test_the_column_of_the_split_is_no_field_unless_asked_for(tmp_path: Path) -> None:
    write_log(tmp_path / "log")
    path = tmp_path / "log.csv"
    for drop in ((), ("time",)):
        data = prepared(path, tmp_path / f"data{len(drop)}", split="time:time", drop=drop)
        assert data.schema.fields == ("city", "price")
    data = prepared(path, tmp_path / "both", split="time:price", numeric=("price",), drop=("time",))
    assert data.schema.fields == ("city", "price")
    assert data.parts is not None
    price = pl.read_csv(path)["price"].to_numpy()
    assert price[data.parts == 0].max() <= price[data.parts > 0].min()


def test_training_on_such_a_split(tmp_path: Path, collapse: Collapse) -> None:
    write_log(tmp_path / "log")
    words = ("--label", "y", "--dates", "time", "--drop", "time_month", "--split", "time:time")
    code, out, err = collapse("prepare", "table", tmp_path / "log.parquet", *words, "-o", tmp_path / "data")
    assert (code, err) == (0, "")
    assert "(fields: time_hour, time_weekday)" in out
    code, out, err = collapse("train", "--data", tmp_path / "data", "--epochs", 1, "--out", tmp_path / "run")
    assert (code, err) == (0, "")
    assert "240 training rows" in out


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"dates": ("city",)}, "'Genève', which is not a date"),
        ({"split": "time:city", "dates": ("time",)}, "which is not a date .*, by which rows are split"),
        ({"split": "price"}, "--split must be time:COLUMN, got 'price'"),
        ({"split": "time:"}, "--split must be time:COLUMN"),
        ({"split": "time:when"}, "'when'"),
        ({"dates": ("time",), "drop": ("time_year",)}, "'time_year'"),
        (
            {"dates": ("time",), "drop": ("time_hour", "time_weekday", "time_month")},
            "no field is left of the dates",
        ),
        ({"dates": ("time",), "numeric": ("time",)}, "cannot be both"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(options: dict[str, Any], word: str, tmp_path: Path) -> None:
    write_log(tmp_path / "log")
    cells = (tmp_path / "log.csv").read_text()
    (tmp_path / "log.csv").write_text(cells.replace("Zürich", "Genève"))
    with pytest.raises(CollapseError, match=word):
        prepared(tmp_path / "log.csv", tmp_path / "data", **options)
    assert not (tmp_path / "data").exists()


def test_dates_are_pointed_out(tmp_path: Path, collapse: Collapse) -> None:
    write_log(tmp_path / "log")
    out = collapse("prepare", "table", tmp_path / "log.parquet", "--label", "y", "--dry-run")[1]
    assert re_line(out, "time").split("  ")[1].strip().startswith("dates: see --dates")


def re_line(text: str, name: str) -> str:
    """Return the line of a column."""
    return next(line.removeprefix(name).strip() for line in text.splitlines() if line.startswith(name))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig"])
def test_text_in_another_encoding(encoding: str, tmp_path: Path) -> None:
    write_log(tmp_path / "log")
    plain = prepared(tmp_path / "log.csv", tmp_path / "plain", drop=("time",))
    (tmp_path / "other.csv").write_text((tmp_path / "log.csv").read_text(), encoding=encoding)
    other = prepared(
        tmp_path / "other.csv", tmp_path / "other", drop=("time",), reading=Reading(encoding=encoding)
    )
    assert values(other, "city") == values(plain, "city")
    assert other.data_hash == plain.data_hash


@pytest.mark.parametrize(
    ("encoding", "given_encoding", "word"),
    [
        ("latin-1", None, "line .*: byte 0xfc is not UTF-8 text; pass its --encoding, for example latin-1"),
        ("utf-16", None, "is UTF-16 text: pass --encoding utf-16"),
        ("latin-1", "utf-8", "is not utf-8 text"),
        ("utf-8", "klingon", "unknown --encoding 'klingon'"),
        ("utf-8", "base64", "unknown --encoding 'base64'"),
    ],
)
def test_the_wrong_encoding_is_one_sentence(
    encoding: str, given_encoding: str | None, word: str, tmp_path: Path
) -> None:
    rows = "".join(f"{n % 2},{'Zürich' if n else 'Bern'},{n % 3}\n" for n in range(60))
    (tmp_path / "a.csv").write_text("y,city,s\n" + rows, encoding=encoding)
    with pytest.raises(CollapseError, match=word):
        prepared(tmp_path / "a.csv", tmp_path / "data", reading=Reading(encoding=given_encoding))
