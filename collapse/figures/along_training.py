"""Abundance and co-influence by epoch, which the paper does not show."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from collapse.figures import style
from collapse.figures.display import StudyDisplay

LABELS = {
    "ia_normalised_mean": "IA / random, mean over fields",
    "co_influence_target": "co-influence by target, r",
    "train_loss": "train loss",
    "validation_auc": "validation AUC",
}
"""The measures that are drawn, by column."""


class AlongTrainingDisplay(StudyDisplay):
    """IA / random, co-influence, training loss and validation AUC by epoch, one line per initialisation."""

    columns = ("data", "model", "seed", "epoch", *LABELS)
    size = (style.PAGE, 4.4)
    mosaic = "ab\ncd"

    @property
    def reading(self) -> str:
        """How abundance and co-influence change from the first epoch to the last, on average over the runs."""
        table = self.table.sort_values("epoch", kind="stable")
        runs = table.groupby(["data", "seed"], sort=False)[["ia_normalised_mean", "co_influence_target"]]
        first, last = (ends.groupby("data", sort=False).mean() for ends in (runs.first(), runs.last()))
        changes = [
            f"{name}: IA / random {first.loc[name].iloc[0]:.2f} to {last.loc[name].iloc[0]:.2f}, "
            f"r {first.loc[name].iloc[1]:.2f} to {last.loc[name].iloc[1]:.2f}"
            for name in first.index
        ]
        return f"Not in the paper. Here, from epoch 1 to {table['epoch'].max()}: {'; '.join(changes)}."

    @property
    def provenance(self) -> str:
        """The provenance, with a note that these runs go on beyond the profile's epochs."""
        epochs = self.table["epoch"].max()
        return f"{super().provenance}; these runs train for {epochs} epochs without early stopping"

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw one panel per measure, one colour per data set, and one line per initialisation."""
        names = list(self.table["data"].unique())
        handles = []
        for name, colour in zip(names, style.colours(len(names)), strict=True):
            of_data = self.table[self.table["data"] == name]
            for _, run in of_data.groupby("seed"):
                for ax, measure in zip(axes, LABELS, strict=True):
                    (line,) = ax.plot(run["epoch"], run[measure], color=colour, lw=0.9, label=str(name))
            handles.append(line)
        for ax, measure in zip(axes, LABELS, strict=True):
            style.epoch_axis(ax, xlabel="epoch", ylabel=LABELS[measure])
        style.legend_above(axes[0], handles, columns=2)
