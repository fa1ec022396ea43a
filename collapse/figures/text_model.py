"""Figure 11: normalised singular values of a text model's token table and of a recommender's tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from collapse.analysis.factorised import FactoredTables
from collapse.analysis.normalised_spectra import normalised_spectra
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay
from collapse.figures.spectrum import below_noise, mean_height


class TextModelDisplay(CheckpointDisplay):
    """sigma_k / sigma_1 by k / K, one thin line per field; the mean of the fields with K values is dashed."""

    columns = ("label", "field", "k", "place", "sigma_normalised", "above_noise")
    size = (style.COLUMN, 2.8)
    needs_text_model = True

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the spectrum of every table."""
        columns = {table.field: table.columns for table in checkpoint}
        frame = normalised_spectra(checkpoint)
        return frame.assign(place=frame["k"] / frame["field"].map(columns))

    @property
    def here(self) -> str:
        """How high the spectra are."""
        return mean_height(self.table)

    @property
    def provenance(self) -> str:
        """The provenance, with the number of values that are not drawn."""
        return f"{super().provenance}{below_noise(self.table)}"

    def derive(self) -> dict[str, pd.DataFrame]:
        """Average over the fields with K singular values; interpolate between values."""
        places = np.linspace(0, 1, 101)
        means = []
        for label, of_label in self.table.groupby("label", sort=False):
            lines = [
                np.interp(places, field["place"], field["sigma_normalised"], left=np.nan)
                for _, field in of_label.groupby("field")
                if field["place"].max() == 1
            ]
            mean = np.mean(lines, axis=0) if lines else np.full(len(places), np.nan)
            means.append(pd.DataFrame({"label": label, "place": places, "sigma_normalised_mean": mean}).dropna())
        return {"means": pd.concat(means, ignore_index=True)}

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the lines."""
        (ax,) = axes
        labels = list(self.table["label"].unique())
        handles = []
        for label, colour in zip(labels, style.colours(len(labels)), strict=True):
            of_label = self.table[(self.table["label"] == label) & self.table["above_noise"]]
            single = of_label["field"].nunique() == 1
            for _, line in of_label.groupby("field", sort=False):
                alpha, width = (1, 1.2) if single else (0.3, 0.6)
                drawn = ax.plot(line["place"], line["sigma_normalised"], color=colour, alpha=alpha, lw=width)
            if not single:
                mean = self.derived["means"].query("label == @label and sigma_normalised_mean > 0")
                drawn = ax.plot(mean["place"], mean["sigma_normalised_mean"], "--", color=colour, lw=1.5)
            drawn[0].set_label(str(label) if single else f"{label}, mean of fields with K values")
            handles += drawn
        ax.set(
            xlabel="k / columns of the table",
            ylabel=r"$\sigma_k / \sigma_1$",
            yscale="log",
            ylim=style.spectrum_limits(self.table.loc[self.table["above_noise"], "sigma_normalised"]),
            xlim=(0, 1),
        )
        ax.grid(visible=True)
        style.legend_above(ax, handles, columns=1)
