"""Names of one field in two checkpoints: what wrappers put before them is taken off."""

import re
from collections.abc import Iterable

_WRAPPERS = re.compile(r"^(?:(?:module|_orig_mod|_forward_module|model)\.)+")


def plain_name(field: str) -> str:
    """Return a field's name without what wrappers put before it.

    Parameters
    ----------
    field : str
        The name, such as ``module.user`` from DistributedDataParallel or ``_orig_mod.user`` from torch.compile.

    Returns
    -------
    str
        The rest, such as ``user``; the name itself if there is nothing else.
    """
    return _WRAPPERS.sub("", field) or field


def matched_names(ours: Iterable[str], theirs: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return names under which the fields of two checkpoints can be matched.

    Parameters
    ----------
    ours, theirs : iterable of str
        The names of either.

    Returns
    -------
    ours, theirs : list of str
        The same without the prefixes of wrappers; as they are, where two of one checkpoint would become one.
    """
    exact = list(ours), list(theirs)
    plain = [plain_name(name) for name in exact[0]], [plain_name(name) for name in exact[1]]
    return exact if any(len({*names}) < len(names) for names in plain) else plain
