"""How many directions the outputs of each layer use during training, which is not in the paper."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from collapse.analysis.dynamics import layers_history
from collapse.analysis.factorised import FactoredTables
from collapse.errors import CollapseError
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay, Keep, computed
from collapse.figures.display import PanelLayout

_ROW = 0.14
"""Inches per layer."""


class LayersDisplay(CheckpointDisplay):
    """Information abundance of the outputs of every layer by epoch, one panel per checkpoint."""

    columns = ("label", "at_epoch", "layer", "size", "ia", "effective_rank")
    size = (style.COLUMN, 2.0)
    legend_lines = 0

    @classmethod
    def from_checkpoints(cls, checkpoints: Sequence[FactoredTables], keep: Keep = computed) -> "LayersDisplay":
        """Read what the runs recorded. The rows are those of the validation split."""
        made = super().from_checkpoints(checkpoints, keep)
        return cls(made.table.assign(rows="validation"))

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Read what the run of a checkpoint recorded."""
        found = layers_history(checkpoint.tables.source)
        if found.empty:
            raise CollapseError(
                f"figure {cls.number} needs layers.csv next to {checkpoint.tables.source}, which `collapse train "
                "--monitor layers` writes"
            )
        # One measurement an epoch: the last, if there are more.
        last = found.groupby(["epoch", "layer"], sort=False).tail(1)
        return last.rename(columns={"epoch": "at_epoch"})[["at_epoch", "layer", "size", "ia", "effective_rank"]]

    @property
    def reading(self) -> str:
        """What the layers do, in numbers."""
        last = self.table.groupby("label", sort=False).apply(lambda of: of[of["at_epoch"] == of["at_epoch"].max()])
        least = last.sort_values("ia").iloc[0]
        return (
            f"Not in the paper. Here, the lowest IA after the last epoch is {least['ia']:.1f} of at most "
            f"{least['size']}, of {least['layer']}."
        )

    def layout(self) -> PanelLayout:
        """Return one panel per checkpoint, below each other."""
        counts = self.table.groupby("label", sort=False)["layer"].nunique()
        names = [f"p{number}" for number in range(len(counts))]
        height = float(sum(0.5 + _ROW * max(4, count) for count in counts))
        ratios = [4 + max(4, int(count)) for count in counts]
        return PanelLayout(
            mosaic=[[name] for name in names], size=(self.size[0], height), ratios={"height_ratios": ratios}
        )

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw a heatmap per checkpoint: layers over epochs, coloured by abundance."""
        for ax, (label, of_label) in zip(axes, self.table.groupby("label", sort=False), strict=True):
            grid = of_label.pivot_table(index="layer", columns="at_epoch", values="ia", sort=False)
            grid = grid[sorted(grid.columns)]
            image = ax.imshow(grid.to_numpy(), aspect="auto", cmap=style.HEAT, vmin=1)
            sizes = of_label.groupby("layer", sort=False)["size"].first()
            ax.set_yticks(range(len(grid)), [f"{layer} ({sizes[layer]})" for layer in grid.index], fontsize=5.5)
            ax.set_xticks(range(len(grid.columns)), [str(epoch) for epoch in grid.columns])
            ax.set_title(str(label), fontsize=7)
            bar = ax.figure.colorbar(image, ax=ax)
            bar.ax.tick_params(labelsize=6)
            bar.set_label("IA", fontsize=7)
        axes[-1].set_xlabel("epoch (0: before the first step)")
