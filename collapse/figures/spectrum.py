"""Figure 1b: normalised singular values of every field at several embedding sizes."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from collapse.analysis.factorised import FactoredTables
from collapse.analysis.normalised_spectra import normalised_spectra
from collapse.figures import style
from collapse.figures.checkpoint_display import CheckpointDisplay
from collapse.figures.readings import listed


class SpectrumDisplay(CheckpointDisplay):
    """sigma_k / sigma_1 by k, one line per field and checkpoint, dashed for the smallest of several sizes."""

    columns = ("label", "columns", "field", "k", "sigma_normalised", "above_noise")
    size = (style.COLUMN, 2.8)

    @classmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the spectrum of every field."""
        return normalised_spectra(checkpoint).assign(columns=max(table.E.shape[1] for table in checkpoint.tables))

    @property
    def here(self) -> str:
        """How high the spectra are."""
        return mean_height(self.table)

    @property
    def provenance(self) -> str:
        """The provenance, with the number of values that are not drawn."""
        return f"{super().provenance}{below_noise(self.table)}"

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the lines."""
        (ax,) = axes
        sizes = self.table.groupby("label", sort=False)["columns"].first().sort_values(kind="stable")
        handles = []
        for (label, size), colour in zip(sizes.items(), style.colours(len(sizes)), strict=True):
            dashes: Literal["--", "-"] = "--" if size < sizes.iloc[-1] and size == sizes.iloc[0] else "-"
            drawn = self.table[(self.table["label"] == label) & self.table["above_noise"]]
            for _, line in drawn.groupby("field", sort=False):
                ax.plot(line["k"], line["sigma_normalised"], color=colour, linestyle=dashes, alpha=0.5, lw=0.7)
            handles.append(Line2D([], [], color=colour, linestyle=dashes, label=str(label)))
        ax.set(
            xlabel="index k of the singular value",
            ylabel=r"$\sigma_k\,/\,\sigma_1$",
            yscale="log",
        )
        ax.set_ylim(*style.spectrum_limits(self.table.loc[self.table["above_noise"], "sigma_normalised"]))
        ax.set_xlim(1, max(float(sizes.max()), 2))
        ax.grid(visible=True)
        style.legend_above(ax, handles, columns=3)


def mean_height(table: pd.DataFrame) -> str:
    """Describe the height of every checkpoint's spectra: the mean of sigma_k / sigma_1.

    Parameters
    ----------
    table : pandas.DataFrame
        ``sigma_normalised`` by ``label``.
    """
    means = table.groupby("label", sort=False)["sigma_normalised"].mean()
    return f"the mean of σ_k / σ_1 is {listed(means, '{:.2f}')}"


def below_noise(table: pd.DataFrame) -> str:
    """Count the singular values that are rounding noise and not drawn; empty if there are none.

    Parameters
    ----------
    table : pandas.DataFrame
        Singular values with ``above_noise``.

    Returns
    -------
    str
        A line that begins with a line break.
    """
    below = int((~table["above_noise"]).sum())
    return f"\n{below:,} of {len(table):,} singular values are rounding noise and not drawn" if below else ""
