"""Figure 15: IA / K by K."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.factorised import FactoredTables
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay


class AbundancePerKDisplay(CheckpointDisplay):
    """IA / K by embedding size: one checkpoint per size, one line per field, and their mean."""

    columns = ("label", "embedding_size", "field", "cardinality", "ia_per_k")
    size = (style.COLUMN, 2.8)
    legend_lines = 0

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute IA / K of every field, where K is the number of columns of its table."""
        columns = [table.columns for table in checkpoint]
        return diagnose_factored(checkpoint).assign(embedding_size=columns)

    def derive(self) -> dict[str, pd.DataFrame]:
        """Return the means over the fields by size."""
        means = self.table.groupby(["embedding_size", "label"])[["ia_per_k", "ia_normalised"]].mean()
        return {"means": means.reset_index()}

    @property
    def here(self) -> str:
        """The means at the smallest and the largest size."""
        means = self.derived["means"].groupby("embedding_size")["ia_per_k"].mean()
        ends = [f"{means[K]:.2f} at K = {K}" for K in dict.fromkeys((means.index[0], means.index[-1]))]
        return f"its mean over the fields is {' and '.join(ends)}"

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw a thin line per field and a thick one for the mean."""
        (ax,) = axes
        of_field = self.table.groupby(["field", "embedding_size"], sort=True)
        of_size = of_field[["ia_per_k", "cardinality"]].mean().reset_index()
        for _, line in of_size.groupby("field", sort=False):
            field = ax.plot(
                line["embedding_size"], line["ia_per_k"], ".-", color=style.REFERENCE, alpha=0.3, lw=0.6
            )
        field[0].set_label("a field")
        # A table with fewer rows than columns cannot fill its columns.
        short = of_size[of_size["cardinality"] < of_size["embedding_size"]]
        few = ax.plot(short["embedding_size"], short["ia_per_k"], "x", color=style.REFERENCE, ms=3, lw=0)
        few[0].set_label("fewer rows than K")
        means = self.derived["means"].groupby("embedding_size")["ia_per_k"].mean()
        mean = ax.plot(means.index, means, "o-", color=style.colours(1)[0], ms=4, label="mean of the fields")
        ax.set(xlabel="embedding size K", ylabel="information abundance / K", ylim=(0, 1.02))
        ax.set_xticks(list(means.index))
        ax.grid(visible=True, axis="y")
        style.legend_above(ax, [*field, *(few if len(short) else []), *mean], columns=3)
