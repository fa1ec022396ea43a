"""Figures 5a, 6a and 8b: information abundance of every field for several checkpoints."""

from collections.abc import Sequence
from typing import ClassVar

import pandas as pd
from matplotlib.axes import Axes

from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.factorised import FactoredTables
from collapse.analysis.interaction_patterns import interaction_patterns
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay
from collapse.figures.readings import distances_text, listed


def mean_unitary_distance(checkpoint: FactoredTables) -> float:
    """Return the mean distance of a checkpoint's projections from unitary ones; NaN if it has no projections."""
    if not checkpoint.tables.layer(checkpoint.settings.layer):
        return float("nan")
    patterns = interaction_patterns(checkpoint.tables, layer=checkpoint.settings.layer)
    return float(patterns["unitary_distance"].mean())


class ComparisonDisplay(CheckpointDisplay):
    """IA(E_i) of every field in the order of cardinalities, one line per checkpoint."""

    columns = ("label", "field", "cardinality", "ia")
    size = (style.PAGE, 3.2)
    with_distances: ClassVar[bool] = False
    """Whether the caption has the distances of the projections from unitary ones."""

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the abundance of every field."""
        found = diagnose_factored(checkpoint).sort_values("cardinality", kind="stable")
        return found.assign(unitary_distance=mean_unitary_distance(checkpoint)) if cls.with_distances else found

    def derive(self) -> dict[str, pd.DataFrame]:
        """Return the mean over the fields of every checkpoint."""
        return {"means": self.table.groupby("label", sort=False)[["ia", "ia_normalised"]].mean().reset_index()}

    @property
    def here(self) -> str:
        """Which checkpoint is more abundant, on average and in how many fields."""
        means = self.derived["means"].set_index("label")["ia"]
        here = f"mean IA {listed(means, '{:.2f}')}"
        if len(means) == 2:
            both = self.table.pivot_table(index="field", columns="label", values="ia").dropna()
            larger, smaller = means.sort_values(ascending=False).index
            above = int((both[larger] > both[smaller]).sum())
            here += f"; it is larger for {larger} in {above} of {len(both)} fields"
        return here

    @property
    def provenance(self) -> str:
        """The provenance, with the effect of regularisation on the projections if requested."""
        return super().provenance + (distances_text(self.table) if self.with_distances else "")

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw one line per checkpoint, with its mean in the legend."""
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
