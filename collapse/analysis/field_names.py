"""Matching the names of fields in two checkpoints, without the prefixes of wrappers."""

import re
from collections.abc import Iterable

from collapse.errors import CollapseError

_WRAPPERS = re.compile(r"^(?:(?:module|_orig_mod|_forward_module|model)\.)+")

_NAMED = 3
"""Fields that a refusal names."""


def plain_name(field: str) -> str:
    """Return a field's name without the prefixes of wrappers.

    Parameters
    ----------
    field : str
        The name, such as ``module.user`` from DistributedDataParallel or ``_orig_mod.user`` from torch.compile.

    Returns
    -------
    str
        The rest, such as ``user``, or the name itself if nothing else is left.
    """
    return _WRAPPERS.sub("", field) or field


def no_common_field(ours: Iterable[str], theirs: Iterable[str]) -> CollapseError:
    """Return the refusal of two checkpoints whose fields have different names."""
    one, other = (", ".join(map(str, list(names)[:_NAMED])) for names in (ours, theirs))
    return CollapseError(f"the checkpoints have no field in common: one has {one}, .., the other {other}, ..")


def matched_names(ours: Iterable[str], theirs: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return names by which the fields of two checkpoints can be matched.

    Returns
    -------
    ours, theirs : list of str
        The names without the prefixes of wrappers, or unchanged if two names of one checkpoint would become equal.
    """
    exact = list(ours), list(theirs)
    plain = [plain_name(name) for name in exact[0]], [plain_name(name) for name in exact[1]]
    return exact if any(len({*names}) < len(names) for names in plain) else plain
