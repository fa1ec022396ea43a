"""Dates in a table: as fields for the hour, the weekday and the month, and as the order of the rows."""

from collections.abc import Sequence

import polars as pl

PARTS = ("hour", "weekday", "month")
"""What a column of dates is divided into."""
EXPECTED = "a date such as 2026-11-27, 2026-11-27 10:31:00 or 1795775460 (seconds since 1970)"
"""What a cell of a date should be, for messages."""
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ZONE = r"(\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(?:Z|[A-Z]{2,5}|[+-]\d\d:?\d\d)$"
"""A time zone behind a time. The time counts as it is written, because hours and weekdays are local."""
_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y%m%d")
_SECONDS, _MILLISECONDS = r"^\d{10}$", r"^\d{13}$"


def parse_dates(cells: pl.Series) -> pl.Series:
    """Read dates and times: ISO 8601 with - or /, or seconds or milliseconds since 1970.

    Parameters
    ----------
    cells : pl.Series
        Text.

    Returns
    -------
    pl.Series
        Datetimes in microseconds; null for cells that are missing or something else.
    """
    text = pl.col("cells")
    iso = (
        text.str.replace(r"^(\d{4})[-/](\d\d?)[-/](\d\d?)", "${1}-${2}-${3}")
        .str.replace(r"^([\d-]+)T", "${1} ")
        .str.replace(_ZONE, "${1}")
    )
    numbers = text.cast(pl.Int64, strict=False)
    kind = pl.Datetime("us")
    found = (
        pl.when(text.str.contains(_SECONDS))
        .then((numbers * 1_000_000).cast(kind))
        .when(text.str.contains(_MILLISECONDS))
        .then((numbers * 1000).cast(kind))
        .otherwise(pl.coalesce(iso.str.to_datetime(form, time_unit="us", strict=False) for form in _FORMATS))
    )
    return pl.DataFrame({"cells": cells.cast(pl.String)}).select(found.alias(cells.name)).to_series()


def parts_of(cells: pl.Series) -> tuple[str, ...]:
    """Return the parts that dates have: all, or without the hour if no cell has a time of day."""
    has_time = bool(cells.str.contains(r":|^\d{10}$|^\d{13}$").any())
    return PARTS if has_time else PARTS[1:]


def part_names(column: str, parts: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a column's fields: ``time_hour``, ``time_weekday``, ``time_month``."""
    return tuple(f"{column}_{part}" for part in parts)


def date_fields(dates: pl.Series, parts: Sequence[str]) -> list[pl.Series]:
    """Return the text of every part, null where the date is missing."""
    made = {
        "hour": lambda: dates.dt.hour().cast(pl.String),
        "weekday": lambda: dates.dt.weekday().replace_strict(
            dict(enumerate(_WEEKDAYS, 1)), default=None, return_dtype=pl.String
        ),
        "month": lambda: dates.dt.month().cast(pl.String),
    }
    names = part_names(dates.name, parts)
    return [made[part]().alias(name) for part, name in zip(parts, names, strict=True)]
