"""Figures 3 and 14: information abundance of the sub-embeddings of DCNv2 or FFM, and its sums over both sides."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, get_args

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from collapse.analysis.factorised import FactoredTables
from collapse.analysis.sub_embeddings import Side, co_influence, sub_embedding_abundance
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay
from collapse.figures.display import PanelLayout
from collapse.figures.readings import defined

_HEATMAP, _SUMS = (4.6, 4.2), (style.COLUMN, 2.4)
"""Inches of a single panel."""


class SubEmbeddingDisplay(CheckpointDisplay):
    """IA(E_i^{->j}) of every pair (a), summed over j (b) and over i (c), with fields in the order of IA(E_i).

    ``derived`` has the sums and their correlations with IA(E_i): ``sums`` and ``correlations``.
    """

    columns = ("source", "target", "ia", "ia_source", "ia_target")
    size = (style.PAGE, 4.9)
    takes_one = True
    panels: ClassVar[str] = "abc"
    """Panels to draw: all three, or one."""

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the abundance of every pair."""
        return sub_embedding_abundance(checkpoint, layer=checkpoint.settings.layer)

    def derive(self) -> dict[str, pd.DataFrame]:
        """Sum over both sides, and correlate."""
        return summed(self.table)

    @property
    def here(self) -> str:
        """How closely the sub-embeddings follow each of the two fields."""
        r = self.derived["correlations"].set_index("by")["pearson"]
        by_i, by_j = defined(r["source"]), defined(r["target"])
        return f"Pearson's r of their sums with IA(E_i) is {by_i}, with IA(E_j) {by_j}"

    def layout(self) -> PanelLayout:
        """Return the panels. A single heatmap grows with the number of fields."""
        if self.panels == "abc":
            return PanelLayout(mosaic="aab\naac", size=self.size)
        if self.panels != "a":
            return PanelLayout(mosaic=self.panels, size=_SUMS)
        width, height = style.wide_enough(_HEATMAP, self.table["source"].nunique())
        return PanelLayout(mosaic="a", size=(width, height * width / _HEATMAP[0]))

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the heatmap and the two sums."""
        draw: dict[str, Callable[[Axes], None]] = {
            "a": self._heatmap,
            "b": lambda ax: self._sums(ax, "source", r"(b)  $\sum_j \mathrm{IA}(E_i^{\to j})$", "field i"),
            "c": lambda ax: self._sums(ax, "target", r"(c)  $\sum_i \mathrm{IA}(E_i^{\to j})$", "field j"),
        }
        for panel, ax in zip(self.panels, axes, strict=True):
            draw[panel](ax)

    def _heatmap(self, ax: Axes) -> None:
        draw_heatmap(ax, self.table)
        ax.set(
            xlabel="field j, by ascending IA",
            ylabel="field i, by ascending IA",
            title=r"(a)  $\mathrm{IA}(E_i^{\to j})$",
        )

    def _sums(self, ax: Axes, by: Side, title: str, label: str) -> None:
        sums = self.derived["sums"].query("by == @by")
        correlation = self.derived["correlations"].set_index("by").loc[by]
        places = range(len(sums))
        ax.plot(places, sums["sum"], color=style.REFERENCE, lw=0.6, zorder=1)
        ax.scatter(places, sums["sum"], c=sums["sum"], cmap=style.HEAT, edgecolors=style.REFERENCE, lw=0.4, s=16)
        ax.set_title(
            f"{title}\nPearson {correlation['pearson']:.2f} (p {correlation['pearson_p']:.2g})\n"
            f"Spearman {correlation['spearman']:.2f} (p {correlation['spearman_p']:.2g})\n"
            rf"without $i = j$: {correlation['pearson_off_diagonal']:.2f}, "
            f"{correlation['spearman_off_diagonal']:.2f}"
        )
        ax.set(xlabel=f"{label}, by ascending IA", xticks=[], xlim=(-0.6, len(sums) - 0.4))
        ax.grid(visible=True, axis="y")


def draw_heatmap(ax: Axes, table: pd.DataFrame, order: Sequence[str] | None = None, **options: Any) -> None:
    """Draw IA(E_i^{->j}) of every pair.

    Parameters
    ----------
    ax : Axes
        The axes.
    table : pandas.DataFrame
        The pairs of one checkpoint.
    order : sequence of str, optional
        Order of the fields from the top and from the left. The default is ascending IA(E_i).
    **options : Any
        Further arguments of `seaborn.heatmap`.
    """
    order = list(order or field_order(table))
    matrix = table.pivot_table(index="source", columns="target", values="ia", dropna=False).loc[order, order]
    usual: dict[str, Any] = {"cbar_kws": {"label": r"$\mathrm{IA}(E_i^{\to j})$", "shrink": 0.6}, "square": True}
    step = style.label_step(len(order))
    sns.heatmap(matrix, ax=ax, cmap=style.HEAT, xticklabels=step, yticklabels=step, **(usual | options))
    ax.tick_params(labelsize=5, length=1)


def field_order(table: pd.DataFrame) -> list[str]:
    """Return the fields in the order of IA(E_i)."""
    return list(table.drop_duplicates("source").sort_values("ia_source", kind="stable")["source"])


def summed(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Sum the abundances of every checkpoint over both sides, and correlate the sums with IA(E_i).

    Parameters
    ----------
    table : pandas.DataFrame
        Pairs of any number of checkpoints, distinguished by ``label``.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``sums``: ``label``, ``by``, ``field``, ``ia``, ``sum``, ``sum_off_diagonal``; ``correlations``: ``label``,
        ``by``, and Pearson's and Spearman's coefficients with their permutation p-values, with and without i = j.
    """
    sums, correlations = [], []
    for label, pairs in table.groupby("label", sort=False):
        for by in get_args(Side):
            of_side, correlation = co_influence(pairs, by)
            columns = ["label", "by", "field", "ia", "sum", "sum_off_diagonal"]
            sums.append(of_side.assign(label=label, by=by)[columns])
            correlations.append({"label": label, "by": by, **vars(correlation)})
    return {"sums": pd.concat(sums, ignore_index=True), "correlations": pd.DataFrame(correlations)}
