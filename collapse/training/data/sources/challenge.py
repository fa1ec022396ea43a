"""What the files of Criteo's and Avazu's challenges have in common: one delimited file, read as published."""

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
    """Prepare a publisher's text file, plain or gzipped.

    Parameters
    ----------
    source, out : Path
        The raw file and the folder to write.
    form : Format
        What the file looks like.
    parse : callable
        What makes fields and labels of its columns.
    fields : mapping of str to str
        The fields that it makes, in order: name to description.
    name, label : str
        The data set's name, and what a label of 1 means.
    min_count, vocabulary_split
        As `Encoder` takes them.
    skip_bad : int
        Malformed rows that are left out.
    overwrite : bool
        Whether a prepared data set that is there is replaced.
    options : mapping, optional
        What else was chosen, for the manifest.
    check_header : callable, optional
        What looks at the row that names the columns.

    Returns
    -------
    PreparedData
        The data set, opened.

    Raises
    ------
    CollapseError
        If the file cannot be read, is empty, changes meanwhile, or has more malformed rows than may be skipped; or
        if `out` cannot be written.
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
