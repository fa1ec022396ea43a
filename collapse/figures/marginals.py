"""Figure 9: sums over i of IA(E_i^{->j}) for single- and multi-embedding, with their correlations."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from collapse.analysis.factorised import FactoredTables
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay
from collapse.figures.display import PanelLayout, in_rows
from collapse.figures.readings import listed
from collapse.figures.sub_embeddings import summed

_ACROSS = 3


class MarginalsDisplay(CheckpointDisplay):
    """sum_i IA(E_i^{->j}) of the fields j in the order of IA(E_j), one panel per checkpoint.

    The last panel, which is not in the paper, shows the same against IA(E_j), both relative to the largest.
    """

    columns = ("label", "source", "target", "ia", "ia_source", "ia_target")
    size = (style.PAGE, 2.8)
    legend_lines = 0

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the abundance of every pair."""
        return sub_embedding_abundance(checkpoint, layer=checkpoint.settings.layer)

    def derive(self) -> dict[str, pd.DataFrame]:
        """Sum over i, and correlate."""
        tables = {
            name: frame.query("by == 'target'").drop(columns="by") for name, frame in summed(self.table).items()
        }
        sums = tables["sums"]
        for column in ("ia", "sum"):
            sums[f"{column}_relative"] = sums[column] / sums.groupby("label")[column].transform("max")
        return tables

    @property
    def here(self) -> str:
        """How closely the sums follow IA(E_j)."""
        r = self.derived["correlations"].set_index("label")["pearson"]
        return f"Pearson's r is {listed(r, '{:.2f}')}"

    def layout(self) -> PanelLayout:
        """Return one panel per checkpoint and one for all, three per row."""
        panels = [*(f"of{n}" for n in range(self.table["label"].nunique())), "all"]
        mosaic = in_rows(panels, _ACROSS)
        return PanelLayout(mosaic=mosaic, size=(style.PAGE, 2.8 * len(mosaic)))

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the sums of each checkpoint in the order of IA(E_j), then all of them against it."""
        *of_each, of_all = axes
        sums, correlations = self.derived["sums"], self.derived["correlations"]
        low, high = sums["sum"].min(), sums["sum"].max()
        for ax, row, colour in zip(of_each, correlations.itertuples(), style.colours(len(of_each)), strict=True):
            of_label = sums.query("label == @row.label")
            places = range(len(of_label))
            ax.plot(places, of_label["sum"], color=style.REFERENCE, lw=0.6, zorder=1)
            ax.scatter(
                places,
                of_label["sum"],
                c=of_label["sum"],
                cmap=style.HEAT,
                vmin=low,
                vmax=high,
                edgecolors=style.REFERENCE,
                lw=0.4,
                s=16,
            )
            ax.set(xlabel="field j, by ascending IA", xticks=[], ylim=(0, high * 1.05 if high > 0 else 1))
            ax.grid(visible=True, axis="y")
            ax.set_title(
                f"{style.wrapped(str(row.label), 2)}\nPearson {row.pearson:.2f} (p {row.pearson_p:.2g})\n"
                f"Spearman {row.spearman:.2f} (p {row.spearman_p:.2g})\n"
                rf"without $i = j$: {row.pearson_off_diagonal:.2f}, {row.spearman_off_diagonal:.2f}"
            )
            x, y = of_label["ia_relative"], of_label["sum_relative"]
            of_all.plot(x, y, "o", color=colour, ms=3, label=style.wrapped(str(row.label), 1.3))
        of_each[0].set_ylabel(r"$\sum_i \mathrm{IA}(E_i^{\to j})$")
        of_all.set(
            xlabel=r"$\mathrm{IA}(E_j)$ / largest",
            ylabel=r"$\sum_i \mathrm{IA}(E_i^{\to j})$ / largest",
            xlim=(0, 1.03),
        )
        of_all.grid(visible=True)
        style.legend_above(of_all, of_all.get_legend_handles_labels()[0], columns=1)
