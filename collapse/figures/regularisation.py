"""Figure 5b: standard and regularised DCNv2, test AUC by size, and loss and AUC by epoch."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from collapse.figures import style
from collapse.figures.auc_by_size import changes_of_auc, draw_auc, size_axis, spread, uncertainty
from collapse.figures.display import StudyDisplay
from collapse.figures.readings import distances_text, listed

_ALONG = {"train_loss": "train loss", "validation_auc": "validation AUC"}


class DynamicsDisplay(StudyDisplay):
    """Test AUC by size, and training loss and validation AUC by epoch at the largest size, one thin line per run.

    A row of the table is a run, with an empty ``epoch``, or an epoch of a run, with an empty ``test_auc``.
    """

    columns = ("data", "model", "factor", "seed", "test_auc", "test_logloss", "constant_logloss", "epoch", *_ALONG)
    size = (style.PAGE, 2.6)
    legend_lines = 0
    mosaic = "abc"

    def derive(self) -> dict[str, pd.DataFrame]:
        """Return the means of the runs at every size, with their intervals."""
        return {"means": spread(self.table[self.table["epoch"].isna()], ["model", "factor"])}

    @property
    def here(self) -> str:
        """How AUC changes with the size, and how far validation AUC falls after its best epoch."""
        epochs = self.table[self.table["epoch"].notna()].sort_values("epoch", kind="stable")
        runs = epochs.groupby(["model", "seed"], sort=False)["validation_auc"]
        below = (runs.max() - runs.last()).groupby("model", sort=False).mean()
        after = (
            f"at {epochs['factor'].max():g}x validation AUC ends {listed(below, '{:.4f}')} below its best epoch"
        )
        found = changes_of_auc(self.derived["means"], "model")
        return "; ".join(filter(None, (found, after if len(below) else "")))

    @property
    def provenance(self) -> str:
        """The provenance, with the meaning of the bands and the number of runs that are worse than a constant."""
        runs = self.table[self.table["epoch"].isna()]
        largest = runs[runs["factor"] == runs["factor"].max()]
        return f"{super().provenance}{uncertainty(runs, self.derived['means'])}{distances_text(largest, 'model')}"

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the three panels, with one colour per model."""
        by_size, *along = axes
        means = self.derived["means"]
        names = list(self.table["model"].unique())
        handles = []
        epochs = self.table[self.table["epoch"].notna()]
        for name, colour in zip(names, style.colours(len(names)), strict=True):
            of_model = means[means["model"] == name]
            runs = self.table[(self.table["model"] == name) & self.table["epoch"].isna()]
            handles.append(draw_auc(by_size, of_model, runs, colour=colour, label=style.model_name(name)))
            for _, run in epochs[epochs["model"] == name].groupby("seed"):
                for ax, column in zip(along, _ALONG, strict=True):
                    ax.plot(run["epoch"], run[column], ".-", color=colour, lw=0.8)
        size_axis(by_size, means["factor"])
        by_size.set_ylabel("test AUC")
        for ax, label in zip(along, _ALONG.values(), strict=True):
            style.epoch_axis(ax, xlabel=f"epoch, at {epochs['factor'].max():g}x", ylabel=label)
        style.legend_above(by_size, handles, columns=1)
