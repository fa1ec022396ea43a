"""Figure 16: heatmaps of IA(E_i^{->j}) with the abundance of both fields as bars, one per checkpoint."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from collapse.analysis.factorised import FactoredTables
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay
from collapse.figures.comparison import mean_unitary_distance
from collapse.figures.display import PanelLayout
from collapse.figures.readings import distances_text, listed
from collapse.figures.sub_embeddings import draw_heatmap, field_order, summed

_ACROSS = 2


class HeatmapsDisplay(CheckpointDisplay):
    """One heatmap per checkpoint, with a common colour scale and the first checkpoint's order of the fields.

    The bars are the abundance of the fields themselves: IA(E_i) on the right, IA(E_j) below.
    """

    columns = ("label", "source", "target", "ia", "ia_source", "ia_target")
    size = (style.PAGE, 3.8)
    legend_lines = 0

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the abundance of every pair, and the distances of the projections from unitary ones."""
        pairs = sub_embedding_abundance(checkpoint, layer=checkpoint.settings.layer)
        return pairs.assign(unitary_distance=mean_unitary_distance(checkpoint))

    @property
    def here(self) -> str:
        """The mean over the pairs of fields."""
        means = self.table.groupby("label", sort=False)["ia"].mean()
        return f"their mean IA is {listed(means, '{:.2f}')}"

    @property
    def provenance(self) -> str:
        """The provenance, with the effect of regularisation on the projections."""
        return f"{super().provenance}{distances_text(self.table)}"

    def derive(self) -> dict[str, pd.DataFrame]:
        """Sum over both sides, and correlate."""
        return summed(self.table)

    def layout(self) -> PanelLayout:
        """Return two checkpoints per row, each a heatmap and two bars."""
        count = self.table["label"].nunique()
        across = min(_ACROSS, count)
        mosaic = []
        for first in range(0, count, across):
            there = [n for n in range(first, first + across) if n < count]
            rest = ["."] * (2 * (across - len(there)))
            mosaic.append([cell for n in there for cell in (f"heat{n}", f"side{n}")] + rest)
            mosaic.append([cell for n in there for cell in (f"below{n}", ".")] + rest)
        ratios = {"width_ratios": [5, 1] * across, "height_ratios": [5, 1.2] * (len(mosaic) // 2)}
        return PanelLayout(mosaic=mosaic, size=(3.5 * across, 2.2 * len(mosaic)), ratios=ratios)

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw each checkpoint on its three axes."""
        named = dict(zip(self.layout().panels, axes, strict=True))
        over_i = self.derived["correlations"].query("by == 'target'").set_index("label")
        low, high = self.table["ia"].min(), self.table["ia"].max()
        largest = self.table["ia_source"].max()
        most = largest * 1.02 if largest > 0 else 1
        groups = list(self.table.groupby("label", sort=False))
        order = field_order(groups[0][1])
        places = [place + 0.5 for place in range(len(order))]
        for number, (label, pairs) in enumerate(groups):
            heat, side, below = (named[f"{part}{number}"] for part in ("heat", "side", "below"))
            draw_heatmap(heat, pairs, order, vmin=low, vmax=high, cbar=False, square=False)
            heat.set(xlabel="", ylabel="field i", xticks=[])
            own = pairs.drop_duplicates("source").set_index("source")["ia_source"].loc[order]
            colour = style.colours(1)[0]
            side.barh(places, own, color=colour)
            below.bar(places, own, color=colour)
            side.set(ylim=heat.get_ylim(), xlim=(0, most), yticks=[], xlabel=r"$\mathrm{IA}(E_i)$")
            below.set(xlim=heat.get_xlim(), ylim=(0, most), ylabel=r"$\mathrm{IA}(E_j)$", xlabel="field j")
            step = style.label_step(len(order))
            below.set_xticks(places[::step], order[::step], rotation=90, fontsize=5)
            side.tick_params(axis="x", rotation=90)
            mappable = heat.collections[0]
            heat.set_title(
                f"{style.wrapped(str(label), 2.6)}\nPearson over i {over_i['pearson'][label]:.2f}, "
                f"without i = j {over_i['pearson_off_diagonal'][label]:.2f}"
            )
        style.colour_bar(axes, mappable, rows=len(self.layout().mosaic), label=r"$\mathrm{IA}(E_i^{\to j})$")
