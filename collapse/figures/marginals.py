"""Figure 9: sums over i of IA(E_i^{->j}), single- against multi-embedding, with their correlations."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from collapse.analysis.factors import FactoredTables
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay
from collapse.figures.sub_embeddings import summed


class MarginalsDisplay(CheckpointDisplay):
    """sum_i IA(E_i^{->j}) against IA(E_j), both relative to the checkpoint's largest."""

    number = "9"
    content = "sums over i of the sub-embeddings' information abundance against IA(E_j), with the correlations"
    columns = ("label", "source", "target", "ia", "ia_source", "ia_target")
    size = (style.COLUMN, 2.8)
    legend_lines = 3

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute every pair's abundance."""
        return sub_embedding_abundance(checkpoint, layer=checkpoint.choices.layer)

    def derive(self) -> dict[str, pd.DataFrame]:
        """Sum over i, and correlate."""
        tables = {
            name: frame.query("by == 'target'").drop(columns="by") for name, frame in summed(self.table).items()
        }
        sums = tables["sums"]
        for column in ("ia", "sum"):
            sums[f"{column}_relative"] = sums[column] / sums.groupby("label")[column].transform("max")
        return tables

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw a point a field and checkpoint."""
        (ax,) = axes
        correlations = self.derived["correlations"]
        handles = []
        for row, colour in zip(correlations.itertuples(), style.colours(len(correlations)), strict=True):
            of_label = self.derived["sums"].query("label == @row.label")
            name = (
                f"{row.label}\nPearson {row.pearson:.2f} (p {row.pearson_p:.2g}), Spearman {row.spearman:.2f}; "
                f"without i = j {row.pearson_off_diagonal:.2f}, {row.spearman_off_diagonal:.2f}"
            )
            x, y = of_label["ia_relative"], of_label["sum_relative"]
            handles += ax.plot(x, y, "o", color=colour, ms=3, label=name)
        ax.set(
            xlabel=r"$\mathrm{IA}(E_j)$ / largest",
            ylabel=r"$\sum_i \mathrm{IA}(E_i^{\to j})$ / largest",
            xlim=(0, 1.03),
        )
        ax.grid(visible=True)
        style.legend_above(ax, handles, columns=1)
