"""Values printed in the paper."""

from importlib.resources import files

import pandas as pd


def read_printed(name: str) -> pd.DataFrame:
    """Read printed values.

    Parameters
    ----------
    name : str
        ``auc`` (Tables 3 and 5 to 7), ``abundance`` (Table 2) or ``data`` (Table 4).
    """
    with files("collapse.paper").joinpath(f"printed_{name}.csv").open() as file:
        return pd.read_csv(file)
