"""Figure 2: information abundance of every field, with random matrices of the same shape."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.factorised import FactoredTables
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay
from collapse.figures.display import PanelLayout


class AbundanceDisplay(CheckpointDisplay):
    """IA(E_i) of every field in the order of cardinalities, with the mean of random normal matrices."""

    columns = ("label", "field", "cardinality", "ia", "ia_random")
    size = (style.PAGE, 3.6)

    def layout(self) -> PanelLayout:
        """Return one panel, which is wider than a page if there are many fields."""
        return PanelLayout(mosaic=self.mosaic, size=style.wide_enough(self.size, self.table["field"].nunique()))

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the abundance of every field."""
        return diagnose_factored(checkpoint).sort_values("cardinality", kind="stable")

    @property
    def here(self) -> str:
        """How far the fields lie below random matrices."""
        fractions = self.table["ia"] / self.table["ia_random"]
        of_each = fractions.groupby(self.table["label"], sort=False)
        several = of_each.ngroups > 1
        found = [
            f"{f'{label} has ' if several else ''}{of.mean():.0%} of random on average over the fields, from "
            f"{of.min():.0%} to {of.max():.0%}"
            if of.notna().any()
            else f"{label} has no field that can be measured"
            for label, of in of_each
        ]
        return "; ".join(found)

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw one point per field and model, and the random level as a short line above it."""
        (ax,) = axes
        labels = list(self.table["label"].unique())
        place = style.cardinality_axis(ax, self.table)
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
        ax.set_ylim(bottom=0)
        style.legend_above(ax, [*handles, level], columns=5)
