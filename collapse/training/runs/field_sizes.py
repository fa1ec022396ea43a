"""Reading the size of every field's table from a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import yaml

from collapse.errors import CollapseError, first_line
from collapse.files.opening import explain_os_errors, open_file

_LONGEST = 1 << 24
"""Longest file in bytes: a hundred bytes for each of 160,000 fields."""
_Sizes = dict[str, Annotated[int, msgspec.Meta(ge=1)]]


def read_field_sizes(path: Path, fields: Sequence[str]) -> str:
    """Read a file of ``collapse size --write yaml``.

    Parameters
    ----------
    path : Path
        A YAML or JSON file that maps every field to its size.
    fields : sequence of str
        Names of the data set's fields.

    Returns
    -------
    str
        The sizes in the order of the fields, as `ModelConfig.field_sizes`.

    Raises
    ------
    CollapseError
        If the file cannot be read, is not such a mapping, or has other fields than the data set.
    """
    with explain_os_errors("read", path), open_file(path) as file:
        content = file.read(_LONGEST + 1)
    if len(content) > _LONGEST:
        raise CollapseError(f"{path} is longer than {_LONGEST >> 20} MiB, which no list of sizes is")
    try:
        # The tags of the safe loader are plain values.
        loaded = yaml.load(content, Loader=_Loader)  # noqa: S506
        sizes = msgspec.convert(loaded, _Sizes)
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise CollapseError(f"{path} does not map fields to sizes of at least 1: {first_line(error)}") from error
    if missing := [field for field in fields if field not in sizes]:
        raise CollapseError(f"{path} has no size for the field {missing[0]!r}")
    known = set(fields)
    if unknown := [field for field in sizes if field not in known]:
        raise CollapseError(f"{path} has a size for {unknown[0]!r}, which is not a field of the data set")
    return "+".join(str(sizes[field]) for field in fields)


class _Loader(yaml.SafeLoader):
    """Refuses repeated keys, and aliases, which could repeat themselves without end."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it uses an alias")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        """Refuse repeated keys."""
        seen: set[object] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                raise yaml.YAMLError(f"the name {name!r} must be in quotes")
            if name in seen:
                raise yaml.YAMLError(f"it lists {name!r} twice")
            seen.add(name)
        return super().construct_mapping(node, deep)
