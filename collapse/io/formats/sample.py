"""What shows the format of a file or folder: its ends, its name, and the names in it."""

import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from collapse.errors import CollapseError
from collapse.files.opening import check_is_file, explain_os_errors, open_file

if TYPE_CHECKING:
    from collapse.io.readers.state import State

HEAD = 4096
"""Bytes read from the start: enough for a line of a word vector file with a few hundred columns."""
_TAIL = 48
"""Bytes read from the end: the footer of a TensorFlow index."""


@dataclass(frozen=True)
class Sample:
    """The parts of a file or folder that show its format."""

    path: Path
    """The file or folder."""
    head: bytes = b""
    """Its first bytes; empty for a folder."""
    tail: bytes = b""
    """Its last bytes; empty for a folder."""
    files: frozenset[str] = frozenset()
    """Names in the folder; empty for a file."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names in the archive; empty if the file is not a complete zip archive."""
        try:
            with open_file(self.path) as file, zipfile.ZipFile(file) as archive:
                return tuple(archive.namelist())
        except (
            zipfile.BadZipFile,
            struct.error,
            ValueError,
            LookupError,
            ArithmeticError,
            RuntimeError,
            EOFError,
            OSError,
        ):
            return ()

    @cached_property
    def lines(self) -> list[bytes]:
        """The first lines, if the start is text."""
        text = self.head if len(self.head) < HEAD else self.head.rpartition(b"\n")[0]
        return [] if b"\0" in text else text.splitlines()


Condition = Callable[[Sample], bool]
"""A condition that the files of a format meet."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format that is recognised."""

    name: str
    """What a file of it is called, with its article."""
    matches: Condition
    """Whether a file or folder has the format."""
    read: "Callable[..., State] | None" = None
    """Reads the tensors of a file; the second argument tells whether to compare checksums."""
    suffixes: tuple[str, ...] = ()
    """Endings of names that suggest the format if nothing in the file does."""
    compressed: bool = False
    """Whether a file that is compressed with gzip, bzip2 or xz is read as well."""
    has_columns: bool = False
    """Whether its reader takes the name of the column that identifies the rows (``id_column``)."""
    about: str = ""
    """Which files of the format are read."""
    needs: str = ""
    """Package that is needed, apart from those that are always installed."""
    way: str = ""
    """What to do with a file that is not read."""


def sample(path: Path) -> Sample:
    """Read what shows the format of a file or folder.

    Parameters
    ----------
    path : Path
        The file, of which only the ends and the listing of a zip archive are read, or the folder.

    Raises
    ------
    CollapseError
        If it is neither a regular file nor a folder, is empty, or cannot be read.
    """
    if path.is_dir():
        with explain_os_errors("read", path):
            return Sample(path, files=frozenset(file.name for file in path.iterdir()))
    check_is_file(path)
    with explain_os_errors("read", path), open_file(path) as file:
        head = file.read(HEAD)
        size = file.seek(0, 2)
        file.seek(max(size - _TAIL, 0))
        found = Sample(path, head, file.read(_TAIL))
    if not head:
        raise CollapseError(f"{path} is empty")
    return found


def starts(*heads: bytes, at: int = 0) -> Condition:
    """Return a condition: the file starts with one of these bytes, after `at` others."""
    return lambda sample: sample.head[at:].startswith(heads)


def zipped(pattern: str) -> Condition:
    """Return a condition: the file is a zip archive with a name that contains a match of the pattern."""
    found = re.compile(pattern)
    return lambda sample: is_zip(sample) and any(found.search(name) for name in sample.names)


def ends(*suffixes: str) -> Condition:
    """Return a condition: the name ends with one of these suffixes."""
    return lambda sample: sample.path.name.lower().endswith(suffixes)


def both(*conditions: Condition) -> Condition:
    """Return a condition: all of these hold."""
    return lambda sample: all(condition(sample) for condition in conditions)


def either(*conditions: Condition) -> Condition:
    """Return a condition: one of these holds."""
    return lambda sample: any(condition(sample) for condition in conditions)


def holds(*patterns: str) -> Condition:
    """Return a condition: the folder holds a name that matches each of these regular expressions."""
    return lambda sample: all(any(re.fullmatch(pattern, name) for name in sample.files) for pattern in patterns)


is_zip = starts(b"PK\x03\x04")
is_pickle = starts(*(bytes([0x80, version]) for version in range(2, 6)))
