"""Rows out of blocks of text: parsed by their source, without the malformed ones, ahead of the encoder."""

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
    """A block of rows, read."""

    fields: pl.DataFrame
    """The fields, as text or numbers."""
    labels: pl.Series
    """Whether the label is 1; null for a row that is left out because it has none."""
    faults: Faults
    """What is wrong with some of the rows, by their number in the block."""


Parse = Callable[[pl.DataFrame], Parsed]
"""From columns of text to what a source makes of them."""


def good_rows(
    blocks: Iterable[TextBlock],
    parse: Parse,
    skipped: SkippedRows,
    *,
    check_header: Callable[[bytes, Path], None] | None = None,
) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Parse the rows of one file, and leave out those that are malformed or have no label.

    Parameters
    ----------
    blocks : iterable of TextBlock
        The rows as text.
    parse : callable
        What makes fields and labels of them.
    skipped : SkippedRows
        What is done with malformed rows.
    check_header : callable, optional
        What looks at the row that names the columns, before any other.

    Yields
    ------
    fields : pl.DataFrame
        The fields of good rows.
    labels : pl.Series
        Their labels.

    Raises
    ------
    CollapseError
        If the file cannot be read, has no good row, or has more malformed rows than may be skipped.
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
        raise CollapseError(f"{path} has no good row")


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
    """Make the next item while the caller works on this one.

    Parameters
    ----------
    items : iterator
        Where they come from; it is used by one thread at a time.

    Yields
    ------
    Item
        The same items in the same order; what `items` raises is raised in their place.
    """
    end = object()
    with ThreadPoolExecutor(1) as thread:
        upcoming = thread.submit(next, items, end)
        while (item := upcoming.result()) is not end:
            upcoming = thread.submit(next, items, end)
            yield item  # type: ignore[misc]


def first_faults(columns: Sequence[str], texts: pl.DataFrame, wrong: pl.DataFrame, what: str) -> dict[int, str]:
    """Say for every row which of its cells is the first that is wrong.

    Parameters
    ----------
    columns : sequence of str
        The columns that were looked at.
    texts : pl.DataFrame
        The cells as they are.
    wrong : pl.DataFrame
        Whether each is wrong, a column each of `columns`.
    what : str
        What it is not: ``an integer``.

    Returns
    -------
    dict of int to str
        By row.
    """
    rows = wrong.select(pl.any_horizontal(pl.all())).to_series().arg_true().to_list()
    names = {row: columns[wrong.row(row).index(True)] for row in rows}
    return {
        row: f"column {name} holds {shortened(texts[name][row] or '')}, which is not {what}"
        for row, name in names.items()
    }


def zero_or_one(texts: pl.Series) -> tuple[pl.Series, Faults]:
    """Read a label that is written 0 or 1.

    Parameters
    ----------
    texts : pl.Series
        The column.

    Returns
    -------
    labels : pl.Series
        Whether each is 1.
    faults : mapping of int to str
        What is wrong with the others, by row.
    """
    wrong = (~texts.fill_null("").is_in(["0", "1"])).arg_true().to_list()
    faults = {
        row: f"column {texts.name} holds {shortened(texts[row] or '')}, which is neither 0 nor 1" for row in wrong
    }
    return texts.fill_null("") == "1", faults
