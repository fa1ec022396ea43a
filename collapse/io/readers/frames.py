"""Small tables that users give next to a checkpoint, as CSV or Parquet."""

from pathlib import Path

import pandas as pd

from collapse.errors import CollapseError, first_line
from collapse.extras import require


def read_frame(path: Path, what: str, *, missing: bool = True) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        A file that is there (`collapse.files.opening.check_is_file`); what does not end in ``.parquet`` is read as
        CSV.
    what : str
        What it is, for errors, such as ``row counts``.
    missing : bool
        Whether texts like ``NA`` in a CSV file are missing values.

    Returns
    -------
    pandas.DataFrame
        Its columns.

    Raises
    ------
    CollapseError
        If it cannot be read, or pyarrow is not installed, which Parquet needs.
    """
    is_parquet = path.suffix == ".parquet"
    if is_parquet:
        require("pyarrow", f"{path}, a Parquet file,")
    try:
        return pd.read_parquet(path) if is_parquet else pd.read_csv(path, keep_default_na=missing)
    except (OSError, ValueError, TypeError) as error:
        raise CollapseError(f"{path} cannot be read as {what}: {first_line(error)}") from error
