"""Results of analyses, stored next to their checkpoints so that nothing is computed twice."""

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
    """Return a result that is stored next to a checkpoint, or compute and store it.

    Parameters
    ----------
    checkpoint : Path
        The checkpoint.
    name : str
        Name of the result, which is part of the file's name.
    settings : mapping
        Everything that the result depends on, apart from the checkpoint, as plain values.
    compute : callable
        Computes the result, a table of numbers and text.

    Returns
    -------
    pandas.DataFrame
        The result, without ``attrs``. It is the same from a file and computed. If it cannot be stored, it is
        computed again the next time.

    Raises
    ------
    CollapseError
        If the checkpoint cannot be read.

    Notes
    -----
    The file's name has a digest of the checkpoint's content, the settings and this package's code, so a change to
    any of them invalidates the file. Damaged files are ignored.
    """
    code = sha256_of_code(Path(collapse.__file__).parent)
    content_of_key = {"checkpoint": sha256_of(checkpoint), "choices": dict(settings), "code": code}
    key = json.dumps(content_of_key, sort_keys=True)
    path = checkpoint.parent / FOLDER / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.parquet"
    if (found := _read(path)) is not None:
        return found
    content = io.BytesIO()
    compute().reset_index(drop=True).to_parquet(content)
    # Somebody else's study may be readable but not writable.
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
    """Return the SHA-256 of the names and contents of a package's modules, in hexadecimal.

    The code changes between two releases, while the version stays the same.
    """
    modules = sorted(package.rglob("*.py"))
    digests = [(module.relative_to(package).as_posix(), sha256_of(module)) for module in modules]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _read(path: Path) -> pd.DataFrame | None:
    try:
        with open_file(path) as file:
            return pd.read_parquet(file)
    except Exception:  # noqa: BLE001, a damaged file may raise anything, and is ignored
        return None
