"""Figure 1b: the normalised singular values of every field at several embedding sizes."""

from collections.abc import Sequence
from typing import Literal, Self

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from collapse.analysis.factors import FactoredTables
from collapse.analysis.spectrum import spectra
from collapse.figures import style
from collapse.figures.display import Display, with_provenance

_FLOOR = 1e-4


class SpectrumDisplay(Display):
    """One line a field and checkpoint, sigma_k / sigma_1 against k; dashed for the smallest of several sizes."""

    number = "1b"
    content = "normalised singular values of every field at one or several embedding sizes"
    columns = ("model", "columns", "field", "k", "sigma_normalised")
    size = (style.COLUMN, 2.8)

    @classmethod
    def from_checkpoints(cls, checkpoints: Sequence[FactoredTables]) -> Self:
        """Compute every field's spectrum in each of the checkpoints."""
        tables = []
        for checkpoint in checkpoints:
            columns = checkpoint.tables.sets * checkpoint.tables.embedding_size
            table = spectra(checkpoint).assign(columns=columns)
            tables.append(with_provenance(table, checkpoint))
        return cls(pd.concat(tables, ignore_index=True))

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the lines."""
        (ax,) = axes
        sizes = self.table.groupby("model", sort=False)["columns"].first().sort_values(kind="stable")
        handles = []
        for (model, size), colour in zip(sizes.items(), style.colours(len(sizes)), strict=True):
            dashes: Literal["--", "-"] = "--" if len(sizes) > 1 and size == sizes.iloc[0] else "-"
            for _, line in self.table[self.table["model"] == model].groupby("field", sort=False):
                ax.plot(line["k"], line["sigma_normalised"], color=colour, linestyle=dashes, alpha=0.5, lw=0.7)
            handles.append(Line2D([], [], color=colour, linestyle=dashes, label=str(model)))
        ax.set(
            xlabel="index k of the singular value",
            ylabel=r"$\sigma_k\,/\,\sigma_1$",
            yscale="log",
        )
        positive = self.table.loc[self.table["sigma_normalised"] > 0, "sigma_normalised"]
        ax.set_ylim(max(float(positive.min()) / 1.5, _FLOOR), 1.3)
        ax.set_xlim(1, float(sizes.max()))
        ax.grid(visible=True)
        style.legend_above(ax, handles, columns=3)
