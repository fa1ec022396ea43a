"""Figure 7: single- and multi-embedding, drawn from the models themselves."""

import re
from collections.abc import Sequence
from typing import Self

import pandas as pd
from matplotlib.axes import Axes

from collapse.figures import style
from collapse.figures.display import Display
from collapse.training.models.config import ModelConfig


class SchematicDisplay(Display):
    """The parts of a model from its tables to its head, one panel per model."""

    columns = ("model", "variant", "part", "level", "x", "text", "into")
    size = (style.PAGE, 2.8)
    legend_lines = 0
    mosaic = "abb"

    @classmethod
    def from_models(cls, models: Sequence[ModelConfig]) -> Self:
        """Describe two models."""
        # This builds the models with torch, which an installation for analyses lacks.
        from collapse.training.models.schematic import parts_of

        tables = [
            parts_of(model).assign(
                model=model.name, variant="multi-embedding" if model.sets > 1 else "single-embedding"
            )
            for model in models
        ]
        return cls(pd.concat(tables, ignore_index=True))

    @classmethod
    def without_runs(cls) -> Self:
        """Describe DCNv2 at the paper's base size, with one set and with two."""
        from collapse.training.models.registry import model_config

        return cls.from_models([model_config("dcnv2-10"), model_config("dcnv2-10x2")])

    @property
    def reading(self) -> str:
        """What multi-embedding adds."""
        return "Every set has its own tables, interaction and projection; the head sees the mean over the sets."

    @property
    def provenance(self) -> str:
        """Meaning of a box."""
        return "each box is a part of the model as built for three fields; dropout is left out"

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw one box per part, and lines for the connections."""
        for ax, (name, parts) in zip(axes, self.table.groupby("model", sort=False), strict=True):
            place = dict(zip(parts["part"], zip(parts["x"], parts["level"], strict=True), strict=True))
            colours = style.colours(int(parts["level"].max()) + 1)
            for part, text, into in zip(parts["part"], parts["text"], parts["into"], strict=True):
                for end in into.split():
                    ax.plot(*zip(place[part], place[end], strict=True), color=style.REFERENCE, lw=0.8, zorder=1)
                (x, level), (r, g, b) = place[part], colours[place[part][1]]
                pale = (0.75 + r / 4, 0.75 + g / 4, 0.75 + b / 4)
                box = {"boxstyle": "round,pad=0.35", "lw": 0.7, "fc": pale, "ec": (r, g, b)}
                words = _table_name(text) or style.wrapped_lines(text, 20)
                ax.text(x, level, words, ha="center", va="center", fontsize=6, bbox=box, zorder=2)
            ax.set(xlim=(parts["x"].min() - 1.2, parts["x"].max() + 1.2), ylim=(-0.5, 4.5))
            ax.set_title(f"{parts['variant'].iloc[0]}: {name}")
            ax.axis("off")


def _table_name(text: str) -> str | None:
    """Format the name of a table, ``E_1`` or ``E_1^(2)``, as a formula; None for other names."""
    found = re.fullmatch(r"E_(\d+)(?:\^\((\d+)\))?", text)
    if found is None:
        return None
    field, of_set = found.groups()
    return f"$E_{{{field}}}$" if of_set is None else f"$E_{{{field}}}^{{({of_set})}}$"
