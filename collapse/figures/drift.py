"""How far the tables of two checkpoints are apart, field by field, which is not in the paper."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from collapse.figures import style
from collapse.figures.display import Display, PanelLayout

_ROW, _MOST = 0.14, 12.0
"""Inches per field, and most inches of all fields."""
_PANELS = (
    ("drift_overlap", "overlap of the leading\ndirections over the rows"),
    ("drift_residue", "residue of the\nbest rotation"),
    ("drift_moved", "rows that moved by more\nthan {beyond:g} of their norm"),
    ("drift_norm_change", "change of the norm"),
)


class DriftDisplay(Display):
    """Overlap, residue, moved rows and norm of every field, those that moved most on top."""

    number = "drift"
    columns = ("field", "label", "against", "beyond", "drift_overlap_random", *(name for name, _ in _PANELS))
    size = (style.PAGE, 2.0)
    legend_lines = 0

    def layout(self) -> PanelLayout:
        """Return four panels side by side, as high as the fields need."""
        height = min(_MOST, 0.9 + _ROW * max(4, len(self.table)))
        return PanelLayout(mosaic="abcd", size=(self.size[0], height))

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw one row of dots per field."""
        table = self.table.sort_values("drift_residue", na_position="first", kind="stable")
        y = np.arange(len(table))
        (colour,) = style.colours(1)
        for ax, (name, title) in zip(axes, _PANELS, strict=True):
            start = table["drift_overlap_random"] if name == "drift_overlap" else np.zeros(len(table))
            ax.hlines(y, start, table[name], color="0.8", lw=0.8)
            ax.plot(table[name], y, "o", ms=3, color=colour, ls="")
            if name == "drift_overlap":
                ax.plot(start, y, "|", ms=4, color=style.REFERENCE, ls="")
            if name != "drift_norm_change":
                ax.set_xlim(-0.03, max(1.03, float(np.nanmax([1.0, *table[name]])) * 1.03))
            else:
                ax.axvline(0, color=style.REFERENCE, lw=0.6)
            ax.set_title(title.format(beyond=table["beyond"].iloc[0]), fontsize=7)
            ax.set_ylim(-0.7, len(table) - 0.3)
            ax.set_yticks([])
            ax.grid(visible=True, axis="x")
        step = style.label_step(len(table))
        axes[0].set_yticks(y[::step], table["field"].tolist()[::step], fontsize=6)

    @property
    def reading(self) -> str:
        """What moved most, in numbers."""
        known = self.table.dropna(subset=["drift_residue"])
        if known.empty:
            return "Not in the paper. Here, no field can be compared."
        most = known.sort_values("drift_residue").iloc[-1]
        return (
            f"Not in the paper. Here, the median residue is {known['drift_residue'].median():.2f}, and the "
            "largest "
            f"{most['drift_residue']:.2f}, of {most['field']}. Grey ticks mark the overlap of unrelated tables."
        )

    @property
    def provenance(self) -> str:
        """The two checkpoints."""
        first = self.table.iloc[0]
        return f"{first['label']}, compared with {first['against']}"
