"""Name patterns of a library's tensors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

ONE_NUMBER = "one number per value"
"""Why a table of one column is not one of embeddings."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Where a library keeps embedding tables and interaction weights.

    Patterns are regular expressions for a tensor's whole name, after any prefix of a wrapper (``module.``,
    ``_orig_mod.``). Their groups say what a tensor is: ``field`` is its name, ``number`` its number among unnamed
    fields, ``kind`` its part of several tables, ``set`` the set of a multi-embedding model, ``target`` the field
    that a field-aware table is for, ``layer`` a cross layer.
    """

    name: str
    """Name of the library, as used in sentences."""
    package: str | None = None
    """Its Python package. Objects of this package in a file identify the library."""
    tables: tuple[str, ...]
    """Tables of one field; with a group ``target``, tables of all fields for one target."""
    fused: tuple[str, ...] = ()
    """Tables of all fields, stacked."""
    marks: tuple[str, ...] = ()
    """Patterns that only this family has; empty if all are."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Names that look like tables but are not, with the reason. For `ONE_NUMBER`, only those of one column."""
    projections: tuple[str, ...] = ()
    """Matrices that act as y = W x on all concatenated fields (DCNv2), or stacks (L, D, D) of them."""
    factors: tuple[str, ...] = ()
    """The (N, N) numbers n[j, i] that multiply the blocks of a projection."""
    low_rank: tuple[str, str] | None = None
    """Left and right factor of a projection."""
    has_numeric: bool = False
    """Whether numeric fields stand between the others, as tables of one column with one row per column."""
    numbers_first: bool = False
    """Whether the columns of a projection that belong to no table come first rather than last."""
    size_setting: str = ""
    """Where users set the embedding size, for advice."""
    skips_target: bool = False
    """Whether the numbers of ``target`` skip the field itself, because it has no table for itself."""

    def match(self, patterns: tuple[str, ...], name: str) -> "Match | None":
        """Return the match of the first pattern that fits a name, or None."""
        for pattern in patterns:
            if found := re.fullmatch(rf"(?P<prefix>(?:.+\.)?){pattern}", name):
                groups = {key: value for key, value in found.groupdict().items() if value is not None}
                prefix = groups.pop("prefix")
                return Match(name=name, prefix=prefix, groups=groups)
        return None

    def is_of(self, names: Mapping[str, object]) -> bool:
        """Return whether any name matches a pattern that only this family has."""
        return any(self.match(self.marks or (*self.tables, *self.fused), name) for name in names)


@dataclass(frozen=True, kw_only=True)
class Match:
    """A match of a tensor's name with a pattern."""

    name: str
    """The name."""
    prefix: str
    """The prefix before the pattern."""
    groups: Mapping[str, str]
    """The groups of the pattern."""

    def number(self, group: str, default: int = 0) -> int:
        """Return a group as a number."""
        return int(self.groups.get(group, default))
