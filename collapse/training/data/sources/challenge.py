"""Common part of the Criteo and Avazu challenges: one delimited file, read as published."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from collapse.training.data.sources.rows import Parse, good_rows, prefetched
from collapse.training.data.store.encoding import Encoder
from collapse.training.data.store.prepared import PreparedData, open_prepared
from collapse.training.data.store.skipped import SkippedRows
from collapse.training.data.store.writing import new_prepared
from collapse.training.data.text.delimited import Format, text_blocks
from collapse.training.data.text.raw_file import opened


def prepare_challenge(
    source: Path,
    out: Path,
    form: Format,
    parse: Parse,
    fields: Mapping[str, str],
    *,
    name: str,
    label: str,
    min_count: int,
    vocabulary_split: int | None,
    skip_bad: int,
    overwrite: bool,
    options: Mapping[str, Any] | None = None,
    check_header: Callable[[bytes, Path], None] | None = None,
) -> PreparedData:
    """Prepare a published text file.

    Parameters
    ----------
    source, out : Path
        The raw file, and the folder to write.
    form : Format
        Format of the file.
    parse : callable
        Makes fields and labels from the file's columns.
    fields : mapping of str to str
        Names and descriptions of these fields, in order.
    name, label : str
        Name of the data set, and the meaning of label 1.
    min_count : int
        Values that occur in fewer rows are mapped to the field's out-of-vocabulary row; at least 1.
    vocabulary_split : int, optional
        Seed of a split whose training rows alone define the vocabulary. The default uses all rows, as the paper's
        code does.
    skip_bad : int
        Most malformed rows to skip.
    overwrite : bool
        Replace an existing prepared data set.
    options : mapping, optional
        Other options, for the manifest.
    check_header : callable, optional
        Checks the header row.

    Returns
    -------
    PreparedData
        The prepared data set.

    Raises
    ------
    CollapseError
        If the file cannot be read, is empty, changes while it is read, or has too many malformed rows; or if `out`
        cannot be written.
    """
    skipped = SkippedRows(skip_bad)
    with opened(source) as raw, new_prepared(out, overwrite=overwrite, sources=[source]) as folder:
        encoder = Encoder(folder, fields, min_count=min_count, vocabulary_split=vocabulary_split)
        rows = good_rows(text_blocks(raw, form), parse, skipped, check_header=check_header)
        for block, labels in prefetched(rows):
            encoder.add(block, labels)
        sources = [raw.finished()]
        encoder.finish(name=name, label=label, sources=sources, options=options, skipped=skipped.summary())
    return open_prepared(out)
