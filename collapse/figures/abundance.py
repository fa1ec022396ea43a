"""Figure 2: information abundance of every field against a random matrix of the same shape."""

from collections.abc import Sequence
from typing import Self

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.factors import FactoredTables
from collapse.figures import style
from collapse.figures.display import Display, with_provenance


class AbundanceDisplay(Display):
    """IA(E_i) of every field, fields by ascending cardinality, with the mean over random normal matrices."""

    number = "2"
    content = "information abundance of every field against a random matrix of the same shape"
    columns = ("model", "field", "cardinality", "ia", "ia_random")
    size = (style.PAGE, 3.6)

    @classmethod
    def from_checkpoints(cls, checkpoints: Sequence[FactoredTables]) -> Self:
        """Compute every field's abundance in each of the checkpoints."""
        tables = [
            with_provenance(diagnose_factored(checkpoint), checkpoint).sort_values("cardinality", kind="stable")
            for checkpoint in checkpoints
        ]
        return cls(pd.concat(tables, ignore_index=True))

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw a point a field and model, and the random level as a short line above it."""
        (ax,) = axes
        models = list(self.table["model"].unique())
        fields = self.table.drop_duplicates("field").sort_values("cardinality", kind="stable")
        place = {field: x for x, field in enumerate(fields["field"])}
        width = 0.8 / len(models)
        handles: list[Artist] = []
        for number, (model, colour) in enumerate(zip(models, style.colours(len(models)), strict=True)):
            of_model = self.table[self.table["model"] == model]
            x = of_model["field"].map(place) + (number - (len(models) - 1) / 2) * width
            ia, random = of_model["ia"], of_model["ia_random"]
            ax.vlines(x, ia, random, color=colour, alpha=0.4, lw=0.6)
            level = ax.hlines(
                random,
                x - width / 2,
                x + width / 2,
                color=style.REFERENCE,
                label="random matrix of the same shape",
            )
            handles += ax.plot(x, ia, "o", color=colour, ms=3, label=str(model))
        labels = [f"{row.field}  {row.cardinality:,}" for row in fields.itertuples()]
        ax.set_xticks(list(place.values()), labels, rotation=90)
        ax.set(
            xlabel="field and its cardinality, ascending",
            ylabel="information abundance",
            ylim=(0, None),
            xlim=(-0.6, len(fields) - 0.4),
        )
        ax.grid(visible=True, axis="y")
        style.legend_above(ax, [*handles, level], columns=5)
