"""Preparing a user's CSV, TSV or Parquet files."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from collapse.errors import CollapseError
from collapse.printable import path_text
from collapse.training.data.sources.rows import Parsed, first_faults, good_rows, prefetched
from collapse.training.data.sources.table.bins import Floats, in_powers_of_two, in_quantiles, in_widths, quantiles
from collapse.training.data.sources.table.dates import EXPECTED, date_fields, parse_dates, part_names
from collapse.training.data.sources.table.plan import AS_FLOAT, TablePlan, cleaned
from collapse.training.data.store.encoding import Encoder
from collapse.training.data.store.prepared import PreparedData, Source, open_prepared
from collapse.training.data.store.skipped import Faults, SkippedRows
from collapse.training.data.store.split import parts_in_order, split_rows
from collapse.training.data.store.writing import GrowingArray, new_prepared

MIN_COUNT = 2
_TIME = "\0time"
"""Name of the column that orders the rows, which no column of a file has."""

Binning = Callable[[Floats], pl.Series]


def prepare_table(
    plan: TablePlan,
    out: Path,
    *,
    name: str | None = None,
    min_count: int = MIN_COUNT,
    vocabulary_split: int | None = None,
    skip_bad: int = 0,
    overwrite: bool = False,
) -> PreparedData:
    """Prepare a table.

    Parameters
    ----------
    plan : TablePlan
        The files and the roles of their columns.
    out : Path
        The folder to write.
    name : str, optional
        Name of the data set. The default is the first file's name up to its first point.
    min_count, vocabulary_split, skip_bad, overwrite
        As for `prepare_challenge`. The split also selects the rows for the quantiles.

    Raises
    ------
    CollapseError
        If a file cannot be read, is damaged or changes while it is read; if there are too many malformed rows (a
        wrong number of columns, an invalid label, or a numeric cell that is not a finite number); if a field has a
        single value, or all labels are equal; or if `out` cannot be written.

    Notes
    -----
    Quantiles are exact. They take a separate pass over the files, with the numbers on disk in the meantime.
    """
    with new_prepared(out, overwrite=overwrite, sources=[file.path for file in plan.files]) as folder:
        binnings = _binnings(plan, folder, vocabulary_split, skip_bad)
        as_whole: Counter[str] = Counter()
        skipped = SkippedRows(skip_bad)
        encoder = Encoder(
            folder,
            _fields(plan),
            min_count=min_count,
            vocabulary_split=vocabulary_split,
            in_order=plan.time is not None,
        )
        positive = 0
        for block, labels in prefetched(_rows(plan, skipped, binnings, as_whole)):
            encoder.add(block, labels, block[_TIME] if plan.time is not None else None)
            positive += int(labels.sum())
        if positive in (0, encoder.rows):
            raise CollapseError(
                f"all {encoder.rows:,} labels are {int(positive > 0)} ({plan.label}), so there is nothing to learn"
            )
        encoder.finish(
            name=name or path_text(Path(plan.files[0].path.name.partition(".")[0] or "table")),
            label=str(plan.label),
            sources=_sources(plan),
            options={**_options(plan), **({"read_as_whole": dict(as_whole)} if as_whole else {})},
            skipped=skipped.summary(),
            refuse_single=True,
        )
    return open_prepared(out)


def _fields(plan: TablePlan) -> dict[str, str]:
    texts = {"categorical": "categorical", "numeric": f"number, in bins {plan.settings.bins}"}
    found = {}
    for column in plan.columns:
        if column.role in texts:
            found[column.name] = texts[column.role]
        for part, name in zip(column.parts, part_names(column.name, column.parts), strict=True):
            found[name] = f"{part} of {column.name}"
    return found


def _options(plan: TablePlan) -> dict[str, Any]:
    settings, reading = plan.settings, plan.settings.reading
    chosen = {
        "left_out": plan.named("left out"),
        "missing": settings.missing,
        "separator": reading.separator,
        "header": "none" if reading.columns or not reading.header else None,
        "quotes": None if reading.quotes else "none",
        "encoding": reading.encoding,
        "dates": list(plan.date_parts),
        "split": plan.settings.split,
    }
    return {key: list(value) if isinstance(value, tuple) else value for key, value in chosen.items() if value}


def _sources(plan: TablePlan) -> list[Source]:
    return [file.source for file in plan.files if file.source is not None]


def _rows(
    plan: TablePlan,
    skipped: SkippedRows,
    binnings: Mapping[str, Binning] | None,
    as_whole: Counter[str] | None = None,
) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Read all files, and count the cells such as 2.0 by column. Numbers stay numbers if there are no bins yet."""
    whole = [column.name for column in plan.columns if column.whole]
    for file in plan.files:
        with file.opened(_read(plan)) as blocks:
            for rows, labels in good_rows(blocks, partial(_parse, plan), skipped):
                block = _whole_numbers(rows, whole, as_whole)
                if binnings is None:
                    yield block, labels
                else:
                    binned = {name: binning(_floats(block[name])) for name, binning in binnings.items()}
                    yield block.with_columns(pl.Series(name, texts) for name, texts in binned.items()), labels


def _whole_numbers(block: pl.DataFrame, whole: Sequence[str], counts: Counter[str] | None) -> pl.DataFrame:
    """Write 2.0 as 2 in columns of whole numbers, which a column with a missing cell often has become."""
    for name in whole:
        floats = int(block[name].str.contains(AS_FLOAT).sum())
        if floats:
            block = block.with_columns(block[name].str.replace(AS_FLOAT, "$1"))
            if counts is not None:
                counts[name] += floats
    return block


def _read(plan: TablePlan) -> tuple[str, ...]:
    """Return the columns that are read, each once."""
    columns = (
        *plan.named("categorical", "numeric", "date"),
        *([plan.time] if plan.time else []),
        plan.label.column,
    )
    return tuple(dict.fromkeys(columns))


def _parse(plan: TablePlan, frame: pl.DataFrame) -> Parsed:
    numeric = plan.named("numeric")
    # A name in brackets is that of a column; elsewhere Polars takes names such as * for patterns.
    cells = cleaned(frame[list(_read(plan))], plan.settings.missing)
    numbers = pl.DataFrame([cells[name] for name in numeric]).cast(pl.Float64, strict=False)
    wrong = pl.DataFrame(
        cells[name].is_not_null() & ~(numbers[name].is_finite() | numbers[name].is_nan()).fill_null(False)
        for name in numeric
    )
    labels, faults = plan.label.labels(cells[plan.label.column])
    if numeric:
        faults = (
            first_faults(
                numeric, cells, wrong, "a finite number; use --missing for texts that mean a missing value"
            )
            | faults
        )
    if not plan.settings.skip_unlabelled:
        empty = cells[plan.label.column].is_null().arg_true().to_list()
        what = f"column {plan.label.column} is empty, so the row has no label; --skip-unlabelled skips such rows"
        faults = dict.fromkeys(empty, what) | faults
    made = cells[list(plan.named("categorical", "numeric"))].with_columns(numbers.fill_nan(None))
    for name, parts in plan.date_parts.items():
        dates = parse_dates(cells[name])
        faults = _not_read(cells[name], dates, EXPECTED) | faults
        made = made.with_columns(date_fields(dates, parts))
    if plan.time is not None:
        keys, expected = _times(plan, cells[plan.time])
        faults = _not_read(cells[plan.time].fill_null(""), keys, f"{expected}, by which rows are split") | faults
        made = made.with_columns(keys.alias(_TIME))
    return Parsed(made[[*_fields(plan), *([_TIME] if plan.time is not None else [])]], labels, faults)


def _times(plan: TablePlan, cells: pl.Series) -> tuple[pl.Series, str]:
    """Return what the split is ordered by, as numbers, and what a cell should be."""
    if plan.time_is_number:
        numbers = cells.cast(pl.Float64, strict=False)
        return numbers.set(~numbers.is_finite(), None), "a number"
    return parse_dates(cells).cast(pl.Int64).cast(pl.Float64), EXPECTED


def _not_read(cells: pl.Series, found: pl.Series, expected: str) -> Faults:
    """Return the cells that have another form, as faults by row."""
    wrong = cells.is_not_null() & found.is_null()
    return first_faults([cells.name], cells.to_frame(), wrong.to_frame(), expected)


def _binnings(plan: TablePlan, folder: Path, vocabulary_split: int | None, skip_bad: int) -> dict[str, Binning]:
    numeric, bins = plan.named("numeric"), plan.settings.bins
    if bins.rule == "log2":
        return dict.fromkeys(numeric, in_powers_of_two)
    if bins.rule == "width":
        return dict.fromkeys(numeric, partial(in_widths, width=bins.size))
    edges = _all_quantiles(plan, folder, vocabulary_split, skip_bad) if numeric else {}
    return {name: partial(in_quantiles, edges=edges[name]) for name in numeric}


def _all_quantiles(
    plan: TablePlan, folder: Path, vocabulary_split: int | None, skip_bad: int
) -> dict[str, Floats]:
    """Write the numeric columns to disk and find their quantiles, with one column in memory at a time."""
    numeric = plan.named("numeric")
    # The time of the split is one more column.
    names = (*numeric, _TIME) if plan.time is not None and vocabulary_split is not None else numeric
    columns = {name: GrowingArray(folder / f"numbers-{n}.npy", np.float64, ()) for n, name in enumerate(names)}
    for block, _ in prefetched(_rows(plan, SkippedRows(skip_bad), None)):
        for name, column in columns.items():
            column.append(_floats(block[name]))
    train = None
    if _TIME in columns:
        train = np.flatnonzero(parts_in_order(columns.pop(_TIME).finished()) == 0)
        (folder / f"numbers-{len(numeric)}.npy").unlink()
    edges = {}
    for n, (name, column) in enumerate(columns.items()):
        numbers = np.array(column.finished())
        if vocabulary_split is not None:
            numbers = numbers[split_rows(len(numbers), vocabulary_split).train if train is None else train]
        edges[name] = quantiles(numbers, int(plan.settings.bins.size))
        (folder / f"numbers-{n}.npy").unlink()
    return edges


def _floats(numbers: pl.Series) -> Floats:
    return numbers.fill_null(float("nan")).to_numpy()
