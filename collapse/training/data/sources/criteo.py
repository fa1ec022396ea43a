"""Criteo's display advertising challenge: preparing ``train.txt`` (Section 5.2, Appendix C.2).

The raw file has one impression per line and no header: the label, 13 integers (I1 .. I13) and 26 hashed categories
(C1 .. C26), separated by tabs. Any cell but the label may be empty.
"""

from pathlib import Path

import polars as pl

from collapse.training.data.sources.challenge import prepare_challenge
from collapse.training.data.sources.rows import Parsed, first_faults, zero_or_one
from collapse.training.data.store.prepared import PreparedData
from collapse.training.data.text.delimited import Format

MIN_COUNT = 10
LABEL = "the advertisement was clicked"
INTEGERS = tuple(f"I{i}" for i in range(1, 14))
CATEGORIES = tuple(f"C{i}" for i in range(1, 27))
COLUMNS = ("label", *INTEGERS, *CATEGORIES)
FIELDS = dict.fromkeys(INTEGERS, "integer feature, in buckets") | dict.fromkeys(
    CATEGORIES, "categorical feature, hashed"
)


def prepare_criteo(
    source: Path,
    out: Path,
    *,
    min_count: int = MIN_COUNT,
    vocabulary_split: int | None = None,
    skip_bad: int = 0,
    overwrite: bool = False,
) -> PreparedData:
    """Prepare Criteo's ``train.txt``.

    Parameters
    ----------
    source : Path
        The raw file, compressed if its name ends in ``.gz``.
    out : Path
        The folder to write.
    min_count, vocabulary_split, skip_bad, overwrite
        As for `prepare_challenge`. The paper's code has a minimum count of 10.

    Raises
    ------
    CollapseError
        As for `prepare_challenge`.

    Notes
    -----
    An integer v is put into a bucket as in the paper's code: floor(ln(v)^2) if v > 2, otherwise v - 2. The former
    is at least 1 and the latter at most 0. An empty cell is a value of its own, for integers as for categories.
    """
    form = Format(
        title="Criteo's train.txt",
        separator="\t",
        columns=COLUMNS,
        one_short=" (the first is the label; is this Criteo's test.txt?)",
    )
    return prepare_challenge(
        source,
        out,
        form,
        _parse,
        FIELDS,
        name="criteo",
        label=LABEL,
        min_count=min_count,
        vocabulary_split=vocabulary_split,
        skip_bad=skip_bad,
        overwrite=overwrite,
    )


def bucketed(integers: pl.Expr) -> pl.Expr:
    """Put integers into the buckets of the paper's code.

    Parameters
    ----------
    integers : pl.Expr
        64-bit integers; null for an empty cell.

    Returns
    -------
    pl.Expr
        floor(ln(v)^2) for v > 2, otherwise v - 2, as text; null stays null.

    Notes
    -----
    The logarithm is computed in float64. ln(v)^2 is not an integer for any v > 2, and up to 10^9 it is never so
    close to one that rounding would change the bucket.
    """
    logarithmic = (integers.cast(pl.Float64).log() ** 2).floor().cast(pl.Int64, strict=False)
    return pl.when(integers > 2).then(logarithmic).otherwise(integers - 2).cast(pl.String)


def _parse(frame: pl.DataFrame) -> Parsed:
    integers = frame.select(pl.col(INTEGERS).cast(pl.Int64, strict=False))
    # Below this, v - 2 would wrap around.
    too_small = integers < -(2**63) + 2
    wrong = pl.DataFrame(
        (integers[name].is_null() & frame[name].is_not_null()) | too_small[name].fill_null(value=False)
        for name in INTEGERS
    )
    fields = frame.select(pl.col(tuple(FIELDS))).with_columns(integers.select(bucketed(pl.col(INTEGERS))))
    labels, wrong_labels = zero_or_one(frame["label"])
    return Parsed(fields, labels, first_faults(INTEGERS, frame, wrong, "a 64-bit integer") | wrong_labels)
