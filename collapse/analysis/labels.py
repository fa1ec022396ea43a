"""Names for several checkpoints in one figure: whatever differs between them shows."""

import re
from collections import Counter
from collections.abc import Sequence

from collapse.tables import TableSet

NAMES = {
    "dnn": "DNN",
    "ipnn": "IPNN",
    "nfwfm": "NFwFM",
    "xdeepfm": "xDeepFM",
    "dcnv2": "DCNv2",
    "finalmlp": "FinalMLP",
    "autoint": "AutoInt",
    "ffm": "FFM",
    "fm": "FM",
}
"""The models' names as people write them."""
_NAME = re.compile(r"(?P<model>\w+)-(?P<K>\d+)(?:x(?P<M>\d+))?(?P<settings>(?:,.*)?)")


def readable(name: str) -> str:
    """Write a model's name with its size as people do.

    Parameters
    ----------
    name : str
        Such as ``dcnv2-10x4,cross_layers=8``.

    Returns
    -------
    str
        ``DCNv2 ME 4 x 10, cross_layers=8``: single-embedding (SE) with K, or multi-embedding (ME) with M x K.
        Other names stay; one of spaces alone, or that begins with the underscore by which a legend leaves out
        what it names, is quoted.
    """
    if not name.strip() or name.startswith("_"):
        return repr(name)
    found = _NAME.fullmatch(name)
    if found is None or found["model"] not in NAMES:
        return name
    size = f"SE {found['K']}" if found["M"] is None else f"ME {found['M']} x {found['K']}"
    return f"{NAMES[found['model']]} {size}{found['settings'].replace(',', ', ')}"


def labels(checkpoints: Sequence[TableSet]) -> list[str]:
    """Tell checkpoints apart.

    Parameters
    ----------
    checkpoints : sequence of TableSet
        The checkpoints.

    Returns
    -------
    list of str
        One each, no two alike: the model's name, with the settings in which those of one name differ (seeds, data,
        optimiser, epoch), and with the file where they differ in nothing else.
    """
    found = []
    for checkpoint in checkpoints:
        of_name = [each.settings for each in checkpoints if each.name == checkpoint.name]
        keys = dict.fromkeys(key for settings in of_name for key in settings)
        differing = [key for key in keys if len({settings.get(key) for settings in of_name}) > 1]
        words = [f"{_short(key)} {checkpoint.settings.get(key, 'unknown')}" for key in differing]
        found.append(", ".join([readable(checkpoint.name), *words]))
    ambiguous = {label for label, count in Counter(found).items() if count > 1}
    found = [
        f"{label}, {checkpoint.source}" if label in ambiguous else label
        for label, checkpoint in zip(found, checkpoints, strict=True)
    ]
    seen: Counter[str] = Counter()
    for number, label in enumerate(found):
        seen[label] += 1
        if seen[label] > 1:
            found[number] = f"{label} ({seen[label]})"
    return found


def _short(key: str) -> str:
    section, _, name = key.rpartition(".")
    return f"{name} seed" if section == "seeds" else name
