"""A figure: how even the spectrum of every field is, by its cardinality."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from collapse import CheckpointDisplay, Entry, FactoredTables
from my_plugin.measure import spread


class SpreadDisplay(CheckpointDisplay):
    """The largest singular value over the smallest, one point per field."""

    columns = ("label", "field", "cardinality", "spread")
    size = (3.4, 2.6)

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the numbers of one checkpoint: a tidy table, which is written next to the picture."""
        return pd.DataFrame(
            [
                {
                    "field": table.field,
                    "cardinality": table.cardinality,
                    "spread": spread(table.sigma, table.cardinality, table.columns),
                }
                for table in checkpoint
            ]
        )

    @property
    def reading(self) -> str:
        """What to see, in a sentence for the caption."""
        return f"The median over the fields is {self.table['spread'].median():.3g}."

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the table, and compute nothing."""
        (ax,) = axes
        for label, of_label in self.table.groupby("label", sort=False):
            ax.plot(of_label["cardinality"], of_label["spread"], "o", ms=3, label=label)
        ax.set(xlabel="cardinality", ylabel="largest / smallest singular value", xscale="log", yscale="log")
        ax.grid(visible=True)
        ax.legend()


def base_model(profile):
    """Return the runs of the figure in a study: DCNv2 at its base size."""
    return profile.runs(profile.single("dcnv2"), data=profile.data[:1])


ENTRY = Entry(
    name="spread",
    shows="how even the spectrum of every field is",
    runs=base_model,
    draw=SpreadDisplay,
    of_one=True,
)
