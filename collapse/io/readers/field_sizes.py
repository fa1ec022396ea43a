"""Names and cardinalities of fields, which a file of tables may not contain."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from collapse.errors import CollapseError, shortened
from collapse.files.json_file import read_json


class _Feature(msgspec.Struct):
    """A field of FuxiCTR's feature map. Fields without a vocabulary are numeric."""

    type: str = "categorical"
    vocab_size: int | None = None


class _Field(msgspec.Struct):
    """A field of this project's schema."""

    name: str
    cardinality: int


@dataclass(frozen=True, kw_only=True)
class FieldSizes:
    """The categorical fields of a model in order, with their cardinalities."""

    source: Path
    """Name of the file."""
    names: tuple[str, ...]
    """Names of the fields."""
    cardinalities: tuple[int, ...]
    """Cardinalities D_i."""

    @property
    def rows(self) -> int:
        """Total number of rows, sum D_i."""
        return sum(self.cardinalities)


def read_field_sizes(path: Path) -> FieldSizes:
    """Read names and cardinalities of fields.

    Parameters
    ----------
    path : Path
        A JSON file: an object ``{"name": cardinality, ..}``, a list of ``{"name": .., "cardinality": ..}``, the
        ``schema.json`` of prepared data, or FuxiCTR's ``feature_map.json``.

    Returns
    -------
    FieldSizes
        The fields in the order of the file, without the numeric fields of a feature map.

    Raises
    ------
    CollapseError
        If the file cannot be read or has another form.
    """
    content = read_json(path)
    try:
        pairs = _pairs(content)
    except (msgspec.ValidationError, AttributeError) as error:
        raise CollapseError(f"{path} does not list fields with their cardinalities: {error}") from error
    if not pairs:
        raise CollapseError(f"{path} lists no categorical field")
    for name, cardinality in pairs:
        if cardinality < 1:
            raise CollapseError(
                f"{path}: the cardinality of field {shortened(name)} must be at least 1, got {cardinality}"
            )
    names, cardinalities = zip(*pairs, strict=True)
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise CollapseError(f"{path} lists the field {shortened(twice)} twice")
    return FieldSizes(source=path, names=names, cardinalities=cardinalities)


def _pairs(content: Any) -> list[tuple[str, int]]:
    if isinstance(content, dict) and "features" in content:
        found = content["features"]
        # A list of objects with one key each; before version 2, an object.
        entries = [item for each in found for item in each.items()] if isinstance(found, list) else found.items()
        features = msgspec.convert(dict(entries), dict[str, _Feature])
        return [(name, item.vocab_size) for name, item in features.items() if item.vocab_size is not None]
    if isinstance(content, dict) and isinstance(content.get("fields"), list):
        content = content["fields"]
    if isinstance(content, dict):
        return list(msgspec.convert(content, dict[str, int]).items())
    return [(item.name, item.cardinality) for item in msgspec.convert(content, list[_Field])]
