"""Results of the analysis kept beside the checkpoint that they are of, so that nothing is computed twice."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

import collapse
from collapse.errors import CollapseError
from collapse.files.atomic import atomic_write
from collapse.files.opening import explain_os_errors, open_file

FOLDER = ".results"


def cached_result(
    checkpoint: Path, name: str, settings: Mapping[str, Any], compute: Callable[[], pd.DataFrame]
) -> pd.DataFrame:
    """Return a result from beside a checkpoint, or compute it and keep it there.

    Parameters
    ----------
    checkpoint : Path
        The checkpoint.
    name : str
        What is computed, as it stands in the file's name.
    settings : mapping
        All that the result depends on beside the checkpoint, plain values.
    compute : callable
        Computes it: a table whose cells are numbers and text.

    Returns
    -------
    pandas.DataFrame
        The result; from a file and fresh it is the same, without ``attrs``. Where it cannot be kept, it is
        computed again the next time.

    Raises
    ------
    CollapseError
        If the checkpoint cannot be read.

    Notes
    -----
    The file's name holds a digest of the checkpoint's content, of the settings and of this package's code: another
    checkpoint of that path, other settings or changed code find nothing. A damaged file is as good as none.
    """
    code = sha256_of_code(Path(collapse.__file__).parent)
    content_of_key = {"checkpoint": sha256_of(checkpoint), "choices": dict(settings), "code": code}
    key = json.dumps(content_of_key, sort_keys=True)
    path = checkpoint.parent / FOLDER / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.parquet"
    if (found := _read(path)) is not None:
        return found
    content = io.BytesIO()
    compute().reset_index(drop=True).to_parquet(content)
    # A study of someone else's may be read where it cannot be written.
    with suppress(CollapseError), explain_os_errors("write", path):
        path.parent.mkdir(exist_ok=True)
        with atomic_write(path) as file:
            file.write(content.getbuffer())
    return pd.read_parquet(content)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Raises
    ------
    CollapseError
        If it cannot be read.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def sha256_of_code(package: Path) -> str:
    """Return the SHA-256 of a package's modules, names and contents, in hexadecimal.

    A version stays the same while code changes between two releases; the code itself does not.
    """
    modules = sorted(package.rglob("*.py"))
    digests = [(module.relative_to(package).as_posix(), sha256_of(module)) for module in modules]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _read(path: Path) -> pd.DataFrame | None:
    try:
        with open_file(path) as file:
            return pd.read_parquet(file)
    except Exception:  # noqa: BLE001, a damaged file may raise anything, and is as good as none
        return None
