"""What other packages register as entry points: models, measures, figures and readers."""

import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from collapse.errors import CollapseError, first_line

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@cache
def points(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group, by name. Nothing is imported."""
    return tuple(sorted(set(entry_points(group=group)), key=lambda point: (point.name, point.value)))


def registered(group: str, kind: str, *, taken: Collection[str] = ()) -> Mapping[str, Any]:
    """Import what other packages register in a group.

    Parameters
    ----------
    group : str
        The group, such as ``collapse.measures``.
    kind : str
        What is registered, such as ``measure``, for messages.
    taken : collection of str
        Names that may not be registered.

    Returns
    -------
    mapping of str to Any
        The imported objects in the alphabetical order of their names.

    Raises
    ------
    CollapseError
        If a name has other signs than small letters, digits, - and _, or is taken, or if an object cannot be
        imported.
    """
    found: dict[str, Any] = {}
    for point in points(group):
        what = f"the {kind} {point.name!r} of {point.value}"
        if not _NAME.fullmatch(point.name) or point.name in taken or point.name in found:
            raise CollapseError(
                f"{what} must have a name of its own in small letters, digits, - and _: uninstall it"
            )
        try:
            found[point.name] = point.load()
        except Exception as error:
            raise CollapseError(
                f"{what} cannot be imported: {type(error).__name__}: {first_line(error)}"
            ) from error
    return found
