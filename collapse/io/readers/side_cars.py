"""What libraries write next to a checkpoint about its fields, used without being asked for."""

import re
from pathlib import Path

from collapse.errors import CollapseError
from collapse.files.opening import open_file
from collapse.files.urls import Url
from collapse.io.readers.field_sizes import FieldSizes, read_field_sizes

FEATURE_MAP = "feature_map.json"
"""FuxiCTR's list of fields and cardinalities."""
_PIPELINE = "pipeline.config"
"""EasyRec's configuration, in the text form of Protocol Buffers."""
_FEATURE = re.compile(r'^\s*(?:feature_name|input_names)\s*:\s*["\']([^"\'\n]+)["\']', re.MULTILINE)
_MOST_BYTES = 1 << 24


def fields_next_to(path: Path | Url) -> FieldSizes | None:
    """Return the fields that FuxiCTR's ``feature_map.json`` next to a file lists; None without a readable one."""
    if isinstance(path, Url):
        return None
    file = (path if path.is_dir() else path.parent) / FEATURE_MAP
    try:
        return read_field_sizes(file) if file.is_file() else None
    except CollapseError:
        return None


def features_next_to(path: Path) -> frozenset[str]:
    """Return the features in EasyRec's ``pipeline.config`` next to a checkpoint, or one folder above."""
    folder = path if path.is_dir() else path.parent
    for place in (folder, folder.parent):
        file = place / _PIPELINE
        if file.is_file():
            with open_file(file) as content:
                return frozenset(_FEATURE.findall(content.read(_MOST_BYTES).decode(errors="replace")))
    return frozenset()
