"""Which value every row of a table stands for, to match the rows of two checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.errors import CollapseError, shortened
from collapse.files.opening import check_is_file
from collapse.io.readers.frames import read_frame

_MOST_ROWS = 1 << 53
"""Numbers from here on are not exact in a CSV file that is read as floats."""
RowIds = Mapping[str, tuple[NDArray[Any], NDArray[np.int64]]]
"""For each field ids, and the rows that they stand for."""


def read_row_ids(path: Path) -> RowIds:
    """Read which value every row of a table stands for.

    Parameters
    ----------
    path : Path
        A CSV or Parquet file with the columns ``field``, ``row`` and ``id``, where ``field`` may be missing for a
        single table.

    Returns
    -------
    mapping of str to (array, array)
        For each field the ids and their rows.

    Raises
    ------
    CollapseError
        If the file cannot be read, has no such columns, or lists a row or an id twice.
    """
    check_is_file(path)
    frame = read_frame(path, "ids of rows", missing=False)
    if missing := [name for name in ("row", "id") if name not in frame]:
        raise CollapseError(f"{path} has no column {missing[0]!r}: ids need field, row and id")
    found: dict[str, tuple[NDArray[Any], NDArray[np.int64]]] = {}
    fields = frame["field"].astype(str) if "field" in frame else pd.Series("", index=frame.index)
    for field, of_field in frame.groupby(fields, sort=False):
        numbers = pd.to_numeric(of_field["row"], errors="coerce")
        is_row = (numbers >= 0) & (numbers < _MOST_ROWS) & (numbers % 1 == 0)
        if not is_row.all():
            bad = shortened(str(of_field["row"][~is_row].iloc[0]))
            raise CollapseError(f"{path}: a row must be a whole number from 0, got {bad} for field {field!r}")
        rows = numbers.astype(np.int64)
        for name, values in (("row", rows), ("id", of_field["id"].astype(str))):
            if (twice := values.duplicated()).any():
                raise CollapseError(
                    f"{path} lists the {name} {shortened(str(values[twice].iloc[0]))} of field {field!r} twice"
                )
        found[str(field)] = np.asarray(of_field["id"].astype(str)), np.asarray(rows, np.int64)
    return found
