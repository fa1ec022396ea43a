"""Which format a file of rows has, by its name."""

from pathlib import Path

from collapse.errors import CollapseError
from collapse.training.data.text.delimited_file import DelimitedFile, Reading
from collapse.training.data.text.file import TextFile

SEPARATORS = {".csv": ",", ".tsv": "\t"}


def open_text(path: Path, reading: Reading) -> TextFile:
    """Open a file and find its columns.

    Parameters
    ----------
    path : Path
        The file: ``.parquet``, ``.csv`` or ``.tsv``, the latter two also with ``.gz``; any other name is text if a
        separator is given.
    reading : Reading
        How text is read.

    Returns
    -------
    TextFile
        The file.

    Raises
    ------
    CollapseError
        If the file cannot be read, is empty or damaged, its kind is unknown, or two columns have one name.
    """
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".parquet", ".pq")):
        if reading != Reading():
            raise CollapseError(f"{path} is a Parquet file: how text is read does not go with it")
        from collapse.training.data.text.parquet_file import ParquetFile

        return ParquetFile(path)
    separator = reading.separator or SEPARATORS.get(Path(name).suffix)
    if separator is None:
        raise CollapseError(
            f"{path} ends neither in .csv, .tsv nor .parquet: tell what separates its columns, with --separator"
        )
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise CollapseError(f"the separator is {separator!r}: it must be one character, and none that ends a line")
    return DelimitedFile(path, separator, reading)
