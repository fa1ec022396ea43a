"""JSON files that are written whole, and read within bounds whatever they hold."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collapse.errors import CollapseError, first_line, shortened
from collapse.files.atomic import atomic_write
from collapse.files.opening import open_file

MOST_BYTES = 1 << 28
"""Of a file: a report on 100,000 fields has a tenth of that."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write.
    content : Any
        What `json.dumps` takes; NaN and infinity are refused.

    Raises
    ------
    CollapseError
        If the file cannot be written.
    """
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    with atomic_write(path) as file:
        file.write(text.encode() + b"\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : Path
        The file to read.

    Returns
    -------
    Any
        Its content.

    Raises
    ------
    CollapseError
        If the file cannot be read, is not JSON, is larger than 256 MB or nested deeply, names a key twice in one
        object, or holds a number or text that has no form in memory (thousands of digits, a lone surrogate).
    """
    with open_file(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise CollapseError(f"{path} is larger than {MOST_BYTES >> 20} MB: it is not a JSON file of ours")
    return parse_json(content, path)


def parse_json(content: bytes, path: Path) -> Any:
    """Parse JSON with the same checks as `read_json`.

    Parameters
    ----------
    content : bytes
        The text.
    path : Path
        Where it is from, for errors.
    """
    try:
        text = content.decode("utf-8")
        plain = json.loads(text, object_pairs_hook=_object)
        if _SURROGATE.search(text):
            json.dumps(plain, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise CollapseError(f"{path} is not a JSON file of ours: it is nested too deeply") from error
    except UnicodeEncodeError as error:
        raise CollapseError(f"{path} is not a JSON file of ours: a text in it has a lone surrogate") from error
    except ValueError as error:
        # Not only of JSON: Python refuses to make a number of more than 4,300 digits.
        raise CollapseError(f"{path} is not a JSON file: {first_line(error)}") from error
    return plain


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"it names the key {shortened(twice)} twice in one object")
    return found
