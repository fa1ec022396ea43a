"""Figures 5a, 6a and 8b: information abundance of every field, checkpoint against checkpoint."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.factors import FactoredTables
from collapse.analysis.patterns import interaction_patterns
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay


def mean_unitary_distance(checkpoint: FactoredTables) -> float:
    """Return the mean distance of a checkpoint's projections from unitary ones; NaN where it has none."""
    if not checkpoint.tables.layer(checkpoint.choices.layer):
        return float("nan")
    patterns = interaction_patterns(checkpoint.tables, layer=checkpoint.choices.layer)
    return float(patterns["unitary_distance"].mean())


def distances_told(table: pd.DataFrame) -> str:
    """Say how far the projections of each checkpoint are from unitary ones, in a line with the break before it."""
    of_each = table.groupby("label", sort=False)["unitary_distance"].first().dropna()
    told = ", ".join(f"{label} {value:.2f}" for label, value in of_each.items())
    return f"\nmean distance of the projections from unitary ones: {told}" if told else ""


class ComparisonDisplay(CheckpointDisplay):
    """IA(E_i) of every field, a line a checkpoint, fields by ascending cardinality."""

    columns = ("label", "field", "cardinality", "ia")
    size = (style.PAGE, 3.2)

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute every field's abundance."""
        return diagnose_factored(checkpoint).sort_values("cardinality", kind="stable")

    def derive(self) -> dict[str, pd.DataFrame]:
        """Return every checkpoint's mean over the fields."""
        return {"means": self.table.groupby("label", sort=False)[["ia", "ia_normalised"]].mean().reset_index()}

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw a line a checkpoint, its mean in the legend."""
        (ax,) = axes
        means = self.derived["means"].set_index("label")
        place = style.cardinality_axis(ax, self.table)
        handles = []
        for label, colour in zip(means.index, style.colours(len(means)), strict=True):
            of_label = self.table[self.table["label"] == label]
            name = f"{label} (mean {means.loc[label, 'ia']:.2f})"
            handles += ax.plot(
                of_label["field"].map(place), of_label["ia"], "o-", color=colour, ms=2.5, lw=0.7, label=name
            )
        ax.set_ylim(bottom=0)
        style.legend_above(ax, handles, columns=4)


class RegularisationDisplay(ComparisonDisplay):
    """Standard against regularised DCNv2."""

    number = "5a"
    content = "information abundance of every field, standard against regularised DCNv2"

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute every field's abundance, and how far the projections are from unitary ones."""
        return super().compute(checkpoint).assign(unitary_distance=mean_unitary_distance(checkpoint))

    @property
    def caption(self) -> str:
        """The same, with what regularising did to the projections."""
        return f"{super().caption}{distances_told(self.table)}"


class DeepAndCrossDisplay(ComparisonDisplay):
    """DNN against DCNv2."""

    number = "6a"
    content = "information abundance of every field, DNN against DCNv2"


class SetsDisplay(ComparisonDisplay):
    """SE against ME, the sets of a field side by side."""

    number = "8b"
    content = "information abundance of every field, single- against multi-embedding"
