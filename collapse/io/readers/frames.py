"""Small CSV or Parquet tables that users give with a checkpoint."""

from pathlib import Path

import pandas as pd

from collapse.errors import CollapseError, first_line
from collapse.extras import require


def read_frame(path: Path, what: str, *, missing: bool = True) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        An existing file (`collapse.files.opening.check_is_file`). Files that do not end in ``.parquet`` are read
        as CSV.
    what : str
        What the file holds, for error messages, such as ``row counts``.
    missing : bool
        Whether texts such as ``NA`` in a CSV file are missing values.

    Raises
    ------
    CollapseError
        If the file cannot be read, or is a Parquet file and pyarrow is not installed.
    """
    is_parquet = path.suffix == ".parquet"
    if is_parquet:
        require("pyarrow", f"{path}, a Parquet file,")
    try:
        return pd.read_parquet(path) if is_parquet else pd.read_csv(path, keep_default_na=missing)
    except (OSError, ValueError, TypeError) as error:
        raise CollapseError(f"{path} cannot be read as {what}: {first_line(error)}") from error
