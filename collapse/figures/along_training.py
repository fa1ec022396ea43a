"""Abundance and co-influence by epoch, which the paper does not show."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from collapse.figures import style
from collapse.figures.study_display import StudyDisplay
from collapse.study.along import MEASURES, along_training
from collapse.study.item import Item

_LABELS = {
    "ia_normalised_mean": "IA / random, mean over fields",
    "co_influence_target": "co-influence by target, r",
    "train_loss": "train loss",
    "validation_auc": "validation AUC",
}


class AlongTrainingDisplay(StudyDisplay):
    """Mean IA over random, co-influence, train loss and validation AUC by epoch, a line an initialisation."""

    number = "along-training"
    content = "abundance and co-influence by epoch, DCNv2"
    columns = ("data", "model", "seed", "epoch", *MEASURES)
    size = (style.PAGE, 4.4)
    mosaic = "ab\ncd"

    @classmethod
    def compute(cls, item: Item) -> pd.DataFrame:
        """Read every epoch of every run."""
        return along_training(item)

    @property
    def caption(self) -> str:
        """The same as of other studies, and that these runs go on past the profile's epochs."""
        return (
            f"{super().caption}; these runs do {self.table['epoch'].max()} epochs, whatever their validation AUC"
        )

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw a panel a measure, a colour a data set, a line an initialisation."""
        names = list(self.table["data"].unique())
        handles = []
        for name, colour in zip(names, style.colours(len(names)), strict=True):
            of_data = self.table[self.table["data"] == name]
            for _, run in of_data.groupby("seed"):
                for ax, measure in zip(axes, MEASURES, strict=True):
                    (line,) = ax.plot(run["epoch"], run[measure], color=colour, lw=0.9, label=str(name))
            handles.append(line)
        for ax, measure in zip(axes, MEASURES, strict=True):
            style.epoch_axis(ax, xlabel="epoch", ylabel=_LABELS[measure])
        style.legend_above(axes[0], handles, columns=2)
