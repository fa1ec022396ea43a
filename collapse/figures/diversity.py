"""Figures 10a and 10d: diversity of the sets, with an SE table split into sets and random sets."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
from matplotlib.axes import Axes

from collapse.analysis.diversity import set_diversity
from collapse.analysis.factorised import FactoredTables
from collapse.errors import CollapseError
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay, Keep, computed, with_provenance
from collapse.figures.display import PanelLayout
from collapse.figures.readings import listed

_BAR = 0.85
"""Inches per bar, enough for a setting's name."""


class DiversityDisplay(CheckpointDisplay):
    """Mean diversity over pairs of sets and over fields, one bar per checkpoint, with the fields as points.

    A single-embedding checkpoint is split into sets of consecutive columns, as many as the first multi-embedding
    checkpoint has. Without one it is refused.
    """

    columns = ("label", "field", "sets", "columns", "div", "div_rank", "div_random")
    size = (style.COLUMN, 2.8)
    legend_lines = 0

    @classmethod
    def from_checkpoints(cls, checkpoints: Sequence[FactoredTables], keep: Keep = computed) -> "DiversityDisplay":
        """Compute the diversity of every field. Single-embedding checkpoints are split."""
        split = next((each.tables.sets for each in checkpoints if each.tables.sets > 1), None)
        if split is None:
            raise CollapseError(
                f"figure {cls.number} needs a multi-embedding checkpoint, for example from `collapse train "
                "--sets 4`"
            )
        tables = []
        for checkpoint, label in zip(checkpoints, cls.labelled(checkpoints), strict=True):
            compute = partial(set_diversity, checkpoint.tables, split=split, settings=checkpoint.settings)
            diversity = keep(checkpoint, {"split": split}, compute)
            is_split = checkpoint.tables.sets == 1
            named = f"{label} split into {split}" if is_split else label
            tables.append(with_provenance(diversity, checkpoint, named).assign(rows="all"))
        return cls(pd.concat(tables, ignore_index=True))

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the diversity of a multi-embedding checkpoint."""
        return set_diversity(checkpoint.tables, settings=checkpoint.settings)

    def derive(self) -> dict[str, pd.DataFrame]:
        """Return the mean over the fields of every checkpoint."""
        measures = ["div", "div_rank", "div_random"]
        return {"means": self.table.groupby("label", sort=False)[measures].mean().reset_index()}

    @property
    def here(self) -> str:
        """How diverse the sets are."""
        means = self.derived["means"].set_index("label")
        random = f"{means['div_random'].min():.2f}", f"{means['div_random'].max():.2f}"
        level = random[0] if random[0] == random[1] else " to ".join(random)
        return f"mean div {listed(means['div'], '{:.2f}')}; random sets {level}"

    def layout(self) -> PanelLayout:
        """Return a panel with room for the name below each bar."""
        bars = self.table["label"].nunique()
        return PanelLayout(mosaic=self.mosaic, size=(max(style.COLUMN, 0.4 + _BAR * bars), self.size[1]))

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw one bar per checkpoint, its fields, and the level of random sets."""
        (ax,) = axes
        means = self.derived["means"]
        rows = zip(means["label"], means["div"], means["div_random"], style.colours(len(means)), strict=True)
        for x, (label, div, random, colour) in enumerate(rows):
            of_label = self.table[self.table["label"] == label]
            ax.bar(x, div, color=colour, width=0.6, alpha=0.6)
            ax.plot([x] * len(of_label), of_label["div"], "o", color=colour, ms=2, mfc="none", mew=0.5)
            ax.hlines(random, x - 0.4, x + 0.4, color=style.REFERENCE, ls="--", lw=1)
            ax.text(x, 0.02, f"{div:.2f}", ha="center", va="bottom", fontsize=7)
        level = ax.plot([], [], color=style.REFERENCE, ls="--", label="random sets of the same shape")
        fields = ax.plot([], [], "o", color=style.REFERENCE, ms=2, mfc="none", mew=0.5, label="a field")
        room = max(style.COLUMN - 0.6, _BAR * len(means)) / len(means)
        ax.set_xticks(range(len(means)), [style.wrapped(str(each), room - 0.15) for each in means["label"]])
        ax.set(ylabel=r"mean div $= 1 - \|\cos\phi\|_1 / K$", ylim=(0, 1.02), xlim=(-0.6, len(means) - 0.4))
        ax.grid(visible=True, axis="y")
        style.legend_above(ax, [*level, *fields], columns=2)
