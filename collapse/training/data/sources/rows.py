"""Parsing blocks of text rows, and skipping malformed ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import polars as pl

from collapse.errors import CollapseError, shortened
from collapse.training.data.store.skipped import Faults, SkippedRows
from collapse.training.data.text.file import TextBlock

Item = TypeVar("Item")


class Parsed(NamedTuple):
    """A parsed block of rows."""

    fields: pl.DataFrame
    """The fields, as text or numbers."""
    labels: pl.Series
    """Whether the label is 1; null for a row without a label that is left out."""
    faults: Faults
    """Faults of rows, by their number in the block."""


Parse = Callable[[pl.DataFrame], Parsed]
"""Makes fields and labels from columns of text."""


def good_rows(
    blocks: Iterable[TextBlock],
    parse: Parse,
    skipped: SkippedRows,
    *,
    check_header: Callable[[bytes, Path], None] | None = None,
) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Parse the rows of one file, without malformed rows and rows without a label.

    Parameters
    ----------
    blocks : iterable of TextBlock
        The rows as text.
    parse : callable
        Makes fields and labels from them.
    skipped : SkippedRows
        Counts malformed rows, and refuses too many.
    check_header : callable, optional
        Checks the header row before any other.

    Raises
    ------
    CollapseError
        If the file cannot be read, has no good row, or has too many malformed rows.
    """
    rows, path = 0, None
    for block in blocks:
        path = block.path
        if check_header is not None and block.header is not None:
            check_header(block.header, path)
        parsed = parse(block.cells) if len(block.cells) else None
        of_cells = {int(block.places[row]): what for row, what in parsed.faults.items()} if parsed else {}
        skipped.skip(path, {**block.faults, **of_cells}, unit=block.unit)
        if parsed is None:
            continue
        fields, labels = _kept(parsed, skipped)
        if len(labels):
            rows += len(labels)
            yield fields, labels
    if not rows:
        raise CollapseError(f"{path} has no valid row")


def _kept(parsed: Parsed, skipped: SkippedRows) -> tuple[pl.DataFrame, pl.Series]:
    fields, labels, faults = parsed
    if faults:
        good = ~pl.Series(np.isin(np.arange(len(labels)), list(faults)))
        fields, labels = fields.filter(good), labels.filter(good)
    if without_label := labels.null_count():
        skipped.unlabelled += without_label
        fields, labels = fields.filter(labels.is_not_null()), labels.drop_nulls()
    return fields, labels


def prefetched(items: Iterator[Item]) -> Iterator[Item]:
    """Prepare the next item while the caller works on the current one.

    Parameters
    ----------
    items : iterator
        The items. Only one thread uses the iterator at a time.

    Yields
    ------
    Item
        The same items in the same order. Exceptions of `items` are raised in their place.
    """
    end = object()
    with ThreadPoolExecutor(1) as thread:
        upcoming = thread.submit(next, items, end)
        while (item := upcoming.result()) is not end:
            upcoming = thread.submit(next, items, end)
            yield item  # type: ignore[misc]


def first_faults(columns: Sequence[str], texts: pl.DataFrame, wrong: pl.DataFrame, what: str) -> dict[int, str]:
    """Return the first wrong cell of every row, as a fault.

    Parameters
    ----------
    columns : sequence of str
        The columns that were checked.
    texts : pl.DataFrame
        The cells as text.
    wrong : pl.DataFrame
        Whether each cell is wrong, with one column for each of `columns`.
    what : str
        What a cell should be: ``an integer``.
    """
    rows = wrong.select(pl.any_horizontal(pl.all())).to_series().arg_true().to_list()
    names = {row: columns[wrong.row(row).index(True)] for row in rows}
    return {
        row: f"column {name} has {shortened(texts[name][row] or '')}, which is not {what}"
        for row, name in names.items()
    }


def zero_or_one(texts: pl.Series) -> tuple[pl.Series, Faults]:
    """Parse labels that are written as 0 or 1.

    Returns
    -------
    labels : pl.Series
        Whether each label is 1.
    faults : mapping of int to str
        Faults of the other rows.
    """
    wrong = (~texts.fill_null("").is_in(["0", "1"])).arg_true().to_list()
    faults = {
        row: f"column {texts.name} has {shortened(texts[row] or '')}, which is neither 0 nor 1" for row in wrong
    }
    return texts.fill_null("") == "1", faults
