"""Bytes of a model's tables and its test AUC, for truncations and bits, which is not in the paper."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter

from collapse.figures import style
from collapse.figures.display import Display

_MB = 1e6
_MARKERS = {32: "o", 16: "s", 8: "^", 4: "v"}


class ParetoDisplay(Display):
    """Test AUC by the size of the tables, one point per fraction of the energy and number of bits."""

    number = "pareto"
    columns = ("label", "energy", "bits", "bytes", "auc", "auc_before", "auc_low", "auc_high", "on_front")
    size = (style.PAGE / 2 + 1, 3.0)
    legend_lines = 0

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the points with the intervals of their differences, and the front as a line."""
        (ax,) = axes
        table, handles = self.table, []
        for colour, (bits, of_bits) in zip(style.colours(4), table.groupby("bits", sort=True), strict=False):
            before = of_bits["auc_before"]
            ax.errorbar(
                of_bits["bytes"] / _MB,
                of_bits["auc"],
                yerr=[of_bits["auc"] - before - of_bits["auc_low"], before + of_bits["auc_high"] - of_bits["auc"]],
                fmt=_MARKERS[int(str(bits))],
                ms=3.5,
                lw=0.6,
                color=colour,
            )
            handles.append(
                Line2D([], [], marker=_MARKERS[int(str(bits))], ls="", ms=4, color=colour, label=f"{bits} bits")
            )
        front = table[table["on_front"].astype(bool)].sort_values("bytes")
        handles += ax.step(
            front["bytes"] / _MB, front["auc"], where="post", color=style.REFERENCE, lw=0.8, label="Pareto front"
        )
        handles.append(
            ax.axhline(table["auc_before"].iloc[0], color=style.REFERENCE, lw=0.8, ls=":", label="whole tables")
        )
        for energy, x, y in zip(front["energy"], front["bytes"] / _MB, front["auc"], strict=True):
            ax.annotate(f"{energy:.3g}", (x, y), xytext=(3, -7), textcoords="offset points", fontsize=5.5)
        ax.set(xlabel="size of all tables, MB", ylabel="test AUC", xscale="log")
        for part in (ax.xaxis.set_major_formatter, ax.xaxis.set_minor_formatter):
            part(StrMethodFormatter("{x:g}"))
        ax.tick_params(axis="x", which="minor", labelsize=6)
        ax.grid(visible=True)
        style.legend_above(ax, handles, columns=3)

    @property
    def reading(self) -> str:
        """The smallest size without a significant loss."""
        kept = self.table[self.table["auc_high"] >= 0].sort_values("bytes")
        if kept.empty:
            return "Not in the paper. Here, every choice loses AUC."
        row = kept.iloc[0]
        return (
            f"Not in the paper. Here, {row['energy']:.4g} of the energy in {row['bits']} bits is the smallest "
            "size "
            f"whose AUC is not significantly lower, {row['bytes'] / _MB:,.3f} MB."
        )

    @property
    def provenance(self) -> str:
        """Model, rows, and what the numbers next to the points are."""
        first = self.table.iloc[0]
        return (
            f"{first['label']} on {first['data']}, {first['rows']:,} test rows; bars are 95 % intervals of the "
            "change; "
            "numbers at the front are fractions of the energy"
        )
