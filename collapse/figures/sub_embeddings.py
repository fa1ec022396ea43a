"""Figure 3: information abundance of DCNv2's sub-embeddings, and its sums over either side."""

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from collapse.analysis.factors import FactoredTables
from collapse.analysis.sub_embeddings import Side, co_influence, sub_embedding_abundance
from collapse.figures import style
from collapse.figures.display import Display


class SubEmbeddingDisplay(Display):
    """IA(E_i^{->j}) of every pair (3a), summed over j (3b) and over i (3c); fields by ascending IA(E_i)."""

    number = "3"
    content = "information abundance of the sub-embeddings of every pair of fields, and its sums (a, b, c)"
    columns = ("source", "target", "ia", "ia_source", "ia_target")
    size = (style.PAGE, 4.2)
    takes_one = True
    mosaic = "aab\naac"

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute every pair's abundance."""
        return sub_embedding_abundance(checkpoint, layer=checkpoint.choices.layer)

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the heatmap and the two sums."""
        heat, by_source, by_target = axes
        order = list(self.table.drop_duplicates("source").sort_values("ia_source", kind="stable")["source"])
        matrix = self.table.pivot_table(index="source", columns="target", values="ia").loc[order, order]
        sns.heatmap(
            matrix,
            ax=heat,
            cmap=style.HEAT,
            square=True,
            xticklabels=1,
            yticklabels=1,
            cbar_kws={"label": r"$\mathrm{IA}(E_i^{\to j})$", "shrink": 0.6},
        )
        heat.tick_params(labelsize=5, length=1)
        heat.set(
            xlabel="field j, by ascending IA",
            ylabel="field i, by ascending IA",
            title=r"(a)  $\mathrm{IA}(E_i^{\to j})$",
        )
        self._sums(by_source, "source", r"(b)  $\sum_j \mathrm{IA}(E_i^{\to j})$", "field i")
        self._sums(by_target, "target", r"(c)  $\sum_i \mathrm{IA}(E_i^{\to j})$", "field j")

    def _sums(self, ax: Axes, by: Side, title: str, label: str) -> None:
        sums, correlation = co_influence(self.table, by)
        places = range(len(sums))
        ax.plot(places, sums["sum"], color=style.REFERENCE, lw=0.6, zorder=1)
        ax.scatter(places, sums["sum"], c=sums["sum"], cmap=style.HEAT, edgecolors=style.REFERENCE, lw=0.4, s=16)
        ax.set_title(f"{title}\nPearson {correlation.pearson:.2f}, Spearman {correlation.spearman:.2f}")
        ax.set(xlabel=f"{label}, by ascending IA", xticks=[], xlim=(-0.6, len(sums) - 0.4))
        ax.grid(visible=True, axis="y")
