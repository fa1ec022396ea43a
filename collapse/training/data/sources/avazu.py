"""Avazu's click-through rate challenge: preparing ``train.csv`` (Section 5.2, Appendix C.2).

The raw file has a header and 24 columns separated by commas: id, click, and 22 categorical ones. ``hour`` is
YYMMDDHH in UTC. The meaning of the hashed columns and of C1, C14 .. C21 was not published.
"""

from pathlib import Path
from typing import Literal, get_args

import polars as pl

from collapse.errors import CollapseError, shortened
from collapse.training.data.sources.challenge import prepare_challenge
from collapse.training.data.sources.rows import Parsed, first_faults, zero_or_one
from collapse.training.data.store.prepared import PreparedData
from collapse.training.data.text.delimited import Format

MIN_COUNT = 4
LABEL = "the advertisement was clicked"
HASHED = "hashed"
FIELDS = {
    "hour": "hour of the impression, YYMMDDHH, UTC",
    "C1": "anonymous",
    "banner_pos": "position of the banner",
    "site_id": HASHED,
    "site_domain": HASHED,
    "site_category": HASHED,
    "app_id": HASHED,
    "app_domain": HASHED,
    "app_category": HASHED,
    "device_id": HASHED,
    "device_ip": HASHED,
    "device_model": HASHED,
    "device_type": "kind of device",
    "device_conn_type": "kind of connection",
} | {f"C{i}": "anonymous" for i in range(14, 22)}
COLUMNS = ("id", "click", *FIELDS)
SPLIT_HOUR = {"day": "day of the impression, YYMMDD, UTC", "hour_of_day": "hour of the impression, 00 to 23, UTC"}

Hour = Literal["raw", "split"]


def prepare_avazu(
    source: Path,
    out: Path,
    *,
    min_count: int = MIN_COUNT,
    hour: Hour = "raw",
    vocabulary_split: int | None = None,
    skip_bad: int = 0,
    overwrite: bool = False,
) -> PreparedData:
    """Prepare Avazu's ``train.csv``.

    Parameters
    ----------
    source : Path
        The raw file, compressed if its name ends in ``.gz``.
    out : Path
        The folder to write.
    hour : {"raw", "split"}
        ``"raw"`` keeps the hour as one field, as the paper's code does: 240 values, none of which occurs again
        after the ten days of the file. ``"split"`` makes two fields of it, the day and the hour of the day.
    min_count, vocabulary_split, skip_bad, overwrite
        As for `prepare_challenge`. The paper's code has a minimum count of 4.

    Raises
    ------
    CollapseError
        If `hour` has another value, or as for `prepare_challenge`.
    """
    if hour not in get_args(Hour):
        raise CollapseError(f"hour must be 'raw' or 'split', got {hour!r}")
    split = {name: text for name, text in FIELDS.items() if name != "hour"}
    form = Format(
        title="Avazu's train.csv",
        separator=",",
        columns=COLUMNS,
        header=True,
    )
    return prepare_challenge(
        source,
        out,
        form,
        _parse if hour == "raw" else _parse_with_split_hour,
        FIELDS if hour == "raw" else SPLIT_HOUR | split,
        name="avazu",
        label=LABEL,
        min_count=min_count,
        vocabulary_split=vocabulary_split,
        skip_bad=skip_bad,
        overwrite=overwrite,
        options={"hour": hour},
        check_header=_check_header,
    )


def _parse(frame: pl.DataFrame) -> Parsed:
    return Parsed(frame.select(pl.col(tuple(FIELDS))), *zero_or_one(frame["click"]))


def _parse_with_split_hour(frame: pl.DataFrame) -> Parsed:
    wrong = frame.select(~pl.col("hour").fill_null("").str.contains(r"^\d{6}([01]\d|2[0-3])$"))
    hour = pl.col("hour").str
    fields = frame.select(hour.slice(0, 6).alias("day"), hour.slice(6, 2).alias("hour_of_day"), *list(FIELDS)[1:])
    labels, wrong_labels = zero_or_one(frame["click"])
    faults = first_faults(["hour"], frame, wrong, "an hour YYMMDDHH") | wrong_labels
    return Parsed(fields, labels, faults)


def _check_header(header: bytes, path: Path) -> None:
    names = header.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").rstrip("\n").split(",")
    if tuple(names) == COLUMNS:
        return
    if tuple(names) == tuple(name for name in COLUMNS if name != "click"):
        raise CollapseError(f"{path}, line 1: there is no column click. Is this Avazu's test.csv?")
    pairs = enumerate(zip(names, COLUMNS, strict=False), start=1)
    differs = next(
        (f"column {n} is {shortened(a)} instead of {shortened(b)}" for n, (a, b) in pairs if a != b), None
    )
    what = differs or f"it has {len(names)} columns instead of {len(COLUMNS)}"
    raise CollapseError(f"{path}, line 1: this is not the header of Avazu's train.csv: {what}")
