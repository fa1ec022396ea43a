"""The parts of a model and their connections, read from the model itself (Figure 7)."""

import pandas as pd
import torch
from torch import nn

from collapse.training.models.config import ModelConfig
from collapse.training.models.model import MultiEmbeddingModel

_ROWS = 8
_SILENT = ("Dropout",)


def parts_of(config: ModelConfig, *, fields: int = 3) -> pd.DataFrame:
    """List the parts of a model.

    Parameters
    ----------
    config : ModelConfig
        Settings of the model.
    fields : int
        Number of fields of the model that is built, without memory, for this purpose.

    Returns
    -------
    pandas.DataFrame
        One row per part: ``part``, a unique name; ``level``, 0 for tables, 1 for interactions, 2 for projections,
        3 for the mean over sets, 4 for the head; ``x``, its position in units of a table; ``text``, what it is;
        and ``into``, the parts that it feeds, separated by spaces.
    """
    with torch.device("meta"):
        model = MultiEmbeddingModel([_ROWS] * fields, config)
    M, copies = config.sets, model.copies
    centre = [m * (fields + 1) + (fields - 1) / 2 for m in range(M)]
    middle = (centre[0] + centre[-1]) / 2
    rows = [
        {
            "part": f"E{key.field},{key.set}",
            "level": 0,
            "x": key.set * (fields + 1) + key.field,
            "text": f"E_{key.field + 1}" if M == 1 else f"E_{key.field + 1}^({key.set + 1})",
            "into": f"I{key.set % copies}",
        }
        for key in model.layout.tables
    ]
    after = "mean" if M > 1 else "head"
    for n, (interaction, projections) in enumerate(zip(model.interactions, model.projections, strict=True)):
        x = middle if copies < M else centre[n]
        streams = list(projections.items())  # type: ignore[operator]
        parts = [f"P{n},{stream}" for stream, _ in streams]
        rows.append(
            {"part": f"I{n}", "level": 1, "x": x, "text": type(interaction).__name__, "into": " ".join(parts)}
        )
        for place, ((_, projection), part) in enumerate(zip(streams, parts, strict=True)):
            offset = (place - (len(streams) - 1) / 2) * (fields + 1) / len(streams)
            rows.append({"part": part, "level": 2, "x": x + offset, "text": _layers(projection), "into": after})
    if M > 1:
        rows.append({"part": "mean", "level": 3, "x": middle, "text": "mean over the sets", "into": "head"})
    rows.append({"part": "head", "level": 4, "x": middle, "text": type(model.head).__name__, "into": ""})
    return pd.DataFrame(rows)


def _layers(module: nn.Module) -> str:
    """Name the layers of a projection as torch does, without those that only matter in training."""
    names = [_known(type(layer)) for layer in module.modules() if not list(layer.children())]
    return ", ".join(name for name in names if name not in _SILENT)


def _known(kind: type) -> str:
    """Return the name of the torch layer that a layer of ours is derived from, or its own."""
    of_torch = (base for base in kind.__mro__ if base.__module__.startswith("torch") and base is not nn.Module)
    return next(of_torch, kind).__name__
