"""Figure 2: information abundance of every field against a random matrix of the same shape."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.factors import FactoredTables
from collapse.figures import style
from collapse.figures.display import Display


class AbundanceDisplay(Display):
    """IA(E_i) of every field, fields by ascending cardinality, with the mean over random normal matrices."""

    number = "2"
    content = "information abundance of every field against a random matrix of the same shape"
    columns = ("label", "field", "cardinality", "ia", "ia_random")
    size = (style.PAGE, 3.6)

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute every field's abundance."""
        return diagnose_factored(checkpoint).sort_values("cardinality", kind="stable")

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw a point a field and model, and the random level as a short line above it."""
        (ax,) = axes
        labels = list(self.table["label"].unique())
        fields = self.table.drop_duplicates("field").sort_values("cardinality", kind="stable")
        place = {field: x for x, field in enumerate(fields["field"])}
        width = 0.8 / len(labels)
        handles: list[Artist] = []
        for number, (label, colour) in enumerate(zip(labels, style.colours(len(labels)), strict=True)):
            of_label = self.table[self.table["label"] == label]
            x = of_label["field"].map(place) + (number - (len(labels) - 1) / 2) * width
            ia, random = of_label["ia"], of_label["ia_random"]
            ax.vlines(x, ia, random, color=colour, alpha=0.4, lw=0.6)
            level = ax.hlines(
                random,
                x - width / 2,
                x + width / 2,
                color=style.REFERENCE,
                label="random matrix of the same shape",
            )
            handles += ax.plot(x, ia, "o", color=colour, ms=3, label=str(label))
        ticks = [f"{row.field}  {row.cardinality:,}" for row in fields.itertuples()]
        ax.set_xticks(list(place.values()), ticks, rotation=90)
        ax.set(
            xlabel="field and its cardinality, ascending",
            ylabel="information abundance",
            ylim=(0, None),
            xlim=(-0.6, len(fields) - 0.4),
        )
        ax.grid(visible=True, axis="y")
        style.legend_above(ax, [*handles, level], columns=5)
