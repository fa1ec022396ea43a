"""One sentence for a damaged file, whatever the damage makes a reader raise."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collapse.errors import CollapseError, first_line
from collapse.files.opening import check_is_file


@contextmanager
def explain_damage(path: Path, what: str) -> Iterator[None]:
    """Turn any exception into a message that the file or folder is damaged.

    Parameters
    ----------
    path : Path
        The file or folder.
    what : str
        What an undamaged file would be, such as ``a complete .npy file``.

    Raises
    ------
    CollapseError
        Instead of any other exception in the block, or if the file is not a regular file.
    """
    if not path.is_dir():
        check_is_file(path)
    with explain_failure(path, what):
        yield


@contextmanager
def explain_failure(path: Path, what: str) -> Iterator[None]:
    """Do the same for a path that need not exist, such as the prefix of a TensorFlow checkpoint.

    Raises
    ------
    CollapseError
        Instead of any other exception in the block.
    """
    try:
        yield
    except CollapseError:
        raise
    except Exception as error:  # a damaged file may raise anything
        raise CollapseError(f"{path} is not {what}: {first_line(error)}") from error
