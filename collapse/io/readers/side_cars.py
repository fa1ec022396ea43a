"""What libraries write next to a checkpoint about its fields, used without being asked for."""

import re
from pathlib import Path

from collapse.errors import CollapseError
from collapse.files.opening import open_file
from collapse.files.urls import Url
from collapse.io.readers.damage import explain_damage
from collapse.io.readers.field_sizes import FieldSizes, read_field_sizes
from collapse.io.torch_file.stubs import ArrayBuilder
from collapse.io.torch_file.unpickler import unpickled

FEATURE_MAP = "feature_map.json"
"""FuxiCTR's list of fields and cardinalities."""
_DATA_SET = "*-*Dataset.pth"
"""RecBole's data sets."""
_PIPELINE = "pipeline.config"
"""EasyRec's configuration, in the text form of Protocol Buffers."""
_FEATURE = re.compile(r'^\s*(?:feature_name|input_names)\s*:\s*["\']([^"\'\n]+)["\']', re.MULTILINE)
_MOST_BYTES = 1 << 24


def fields_next_to(path: Path | Url) -> FieldSizes | None:
    """Return the fields that a file next to a checkpoint lists; None without a readable one.

    FuxiCTR writes ``feature_map.json``, and RecBole ``NAME-Dataset.pth`` if it saves the data set.
    """
    if isinstance(path, Url):
        return None
    folder = path if path.is_dir() else path.parent
    try:
        if (folder / FEATURE_MAP).is_file():
            return read_field_sizes(folder / FEATURE_MAP)
        data_sets = sorted(folder.glob(_DATA_SET))
        return _fields_of_recbole(data_sets[0]) if len(data_sets) == 1 else None
    except CollapseError:
        return None


def _fields_of_recbole(path: Path) -> FieldSizes | None:
    """Return the token fields of a data set that RecBole saved, which is a pickle of its class."""
    with explain_damage(path, "a complete data set of RecBole"), open_file(path) as file:
        content, _ = unpickled(file.read())
        kinds, tokens = (content.attributes[name] for name in ("field2type", "field2id_token"))
        sizes = {
            str(name): tokens[name].shape[0]
            for name, kind in kinds.items()
            if getattr(kind, "args", ()) == ("token",) and isinstance(tokens.get(name), ArrayBuilder)
        }
    if not sizes or min(sizes.values()) < 1:
        return None
    return FieldSizes(source=path, names=tuple(sizes), cardinalities=tuple(sizes.values()))


def features_next_to(path: Path) -> frozenset[str]:
    """Return the features in EasyRec's ``pipeline.config`` next to a checkpoint, or one folder above."""
    folder = path if path.is_dir() else path.parent
    for place in (folder, folder.parent):
        file = place / _PIPELINE
        if file.is_file():
            with open_file(file) as content:
                return frozenset(_FEATURE.findall(content.read(_MOST_BYTES).decode(errors="replace")))
    return frozenset()
