"""Opening a file of rows by the format in its name."""

from pathlib import Path

from collapse.errors import CollapseError
from collapse.training.data.text.delimited_file import DelimitedFile, Reading
from collapse.training.data.text.file import TextFile

SEPARATORS = {".csv": ",", ".tsv": "\t"}
NAMED_SEPARATORS = {"tab": "\t", r"\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
"""Separators that are hard to write in a shell."""


def open_text(path: Path, reading: Reading) -> TextFile:
    """Open a file and find its columns.

    Parameters
    ----------
    path : Path
        The file: ``.parquet``, ``.csv``, ``.tsv``, ``.csv.gz`` or ``.tsv.gz``; other names are text if a separator
        is given.
    reading : Reading
        How text is read.

    Raises
    ------
    CollapseError
        If the file cannot be read, is empty or damaged, its format is unknown, or two columns have the same name.
    """
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".parquet", ".pq")):
        if reading != Reading():
            raise CollapseError(f"{path} is a Parquet file, for which options of text files cannot be used")
        from collapse.training.data.text.parquet_file import ParquetFile

        return ParquetFile(path)
    given = reading.separator and NAMED_SEPARATORS.get(reading.separator, reading.separator)
    separator = given or SEPARATORS.get(Path(name).suffix)
    if separator is None:
        raise CollapseError(f"{path} does not end in .csv, .tsv or .parquet: pass its separator with --separator")
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise CollapseError(
            f"separator must be one character other than a line break, or {', '.join(NAMED_SEPARATORS)}, got "
            f"{separator!r}: replace a longer one in the file first, for example by a tab"
        )
    return DelimitedFile(path, separator, reading)
