"""What the names of a library's tensors tell: a family is a table of patterns."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Family:
    """Where a library keeps embedding tables and interaction weights.

    Patterns are regular expressions of a tensor's whole name, behind whatever a wrapper puts before it
    (``module.``, ``_orig_mod.``). Their groups tell what a tensor is: ``field`` its name, ``number`` its number
    among unnamed ones, ``kind`` its part of a table of several, ``set`` the set of a multi-embedding model,
    ``target`` the field that a field-aware table is for, ``layer`` a cross layer.
    """

    name: str
    """The library, as it reads in a sentence."""
    package: str | None = None
    """Its Python package, of which objects in a file tell that it wrote it."""
    tables: tuple[str, ...]
    """Tables of one field; with a group ``target`` of all fields for one target."""
    fused: tuple[str, ...] = ()
    """Tables of all fields, one below the other."""
    marks: tuple[str, ...] = ()
    """Which of them are its alone; empty for all."""
    others: Mapping[str, str] = field(default_factory=dict)
    """What reads like a table and is none, with the reason."""
    projections: tuple[str, ...] = ()
    """Matrices that act as y = W x on all fields side by side (DCNv2), or stacks (L, D, D) of them."""
    factors: tuple[str, ...] = ()
    """The (N, N) numbers n[j, i] that multiply the blocks of a projection."""
    low_rank: tuple[str, str] | None = None
    """The left and the right factor of a projection."""
    has_numeric: bool = False
    """Whether numeric fields stand between the others, as tables of one column with a row a column of theirs."""
    numbers_first: bool = False
    """Whether what belongs to no table comes first in a projection, and not last."""
    size_setting: str = ""
    """Where its users set the embedding size, as it reads in a sentence, for advice."""
    skips_target: bool = False
    """Whether the numbers of ``target`` leave a field's own number out, as there is no table for itself."""

    def match(self, patterns: tuple[str, ...], name: str) -> "Match | None":
        """Return what a name tells by the first of some patterns that fits it; None if none does."""
        for pattern in patterns:
            if found := re.fullmatch(rf"(?P<prefix>(?:.+\.)?){pattern}", name):
                groups = {key: value for key, value in found.groupdict().items() if value is not None}
                prefix = groups.pop("prefix")
                return Match(name=name, prefix=prefix, groups=groups)
        return None

    def is_of(self, names: Mapping[str, object]) -> bool:
        """Tell whether any of the names is that of a table of this family and of no other."""
        return any(self.match(self.marks or (*self.tables, *self.fused), name) for name in names)


@dataclass(frozen=True, kw_only=True)
class Match:
    """What a tensor's name tells."""

    name: str
    """The name."""
    prefix: str
    """What stands before the pattern."""
    groups: Mapping[str, str]
    """The pattern's groups."""

    def number(self, group: str, default: int = 0) -> int:
        """Return a group that is a number."""
        return int(self.groups.get(group, default))
