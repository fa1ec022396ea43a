"""A reader: a text file with one table, whose first line says so."""

from pathlib import Path

import numpy as np

from collapse import CollapseError, Format, State

FIRST_LINE = b"# my embeddings of "


def read(path: Path, verify: bool = True) -> State:
    """Return the arrays of a file by name. Nothing in the file may be run.

    Raises
    ------
    CollapseError
        If a line is not a row of numbers.
    """
    del verify  # The format has no checksums.
    with path.open() as file:
        field = file.readline().removeprefix(FIRST_LINE.decode()).strip()
        try:
            E = np.loadtxt(file, ndmin=2)
        except ValueError as error:
            raise CollapseError(f"{path} has a line that is not a row of numbers: {error}") from error
    return State(tensors={field: E}, tables=frozenset({field}), format="my format")


FORMAT = Format(
    name="a text file of my_plugin",
    matches=lambda sample: sample.head.startswith(FIRST_LINE),
    read=read,
    about="one table, a row per line",
)
