"""JSON files that are written completely, and read within limits."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collapse.errors import CollapseError, first_line, shortened
from collapse.files.atomic import atomic_write
from collapse.files.opening import open_file

MOST_BYTES = 1 << 28
"""Largest JSON file that is read. A report on 100,000 fields has a tenth of that."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON. A failure leaves the old file unchanged.

    Parameters
    ----------
    path : Path
        The file to write.
    content : Any
        Anything that `json.dumps` accepts, except NaN and infinity.

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

    Raises
    ------
    CollapseError
        If the file cannot be read, is not JSON, is larger than 256 MB, is nested too deeply, repeats a key in an
        object, or holds a number of thousands of digits or a lone surrogate.
    """
    with open_file(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise CollapseError(f"{path} is larger than {MOST_BYTES >> 20} MB, which no JSON file of this program is")
    return parse_json(content, path)


def parse_json(content: bytes, path: Path) -> Any:
    """Parse JSON with the same checks as `read_json`.

    Parameters
    ----------
    content : bytes
        The JSON text.
    path : Path
        The file it is from, for error messages.
    """
    try:
        text = content.decode("utf-8")
        plain = json.loads(text, object_pairs_hook=_object)
        if _SURROGATE.search(text):
            json.dumps(plain, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise CollapseError(f"{path} cannot be read as JSON: it is nested too deeply") from error
    except UnicodeEncodeError as error:
        raise CollapseError(f"{path} cannot be read as JSON: a string contains a lone surrogate") from error
    except ValueError as error:
        # ValueError also covers numbers of more than 4,300 digits, which Python refuses to convert.
        raise CollapseError(f"{path} is not a JSON file: {first_line(error)}") from error
    return plain


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {shortened(twice)} occurs twice in one object")
    return found
