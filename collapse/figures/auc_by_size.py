"""Figures 1a, 6b, 8a, 10c, 12, 13, 17a and 17b: test AUC by embedding size, one line per model or variant."""

from collections.abc import Sequence
from typing import ClassVar

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from collapse.figures import style
from collapse.figures.display import PanelLayout, StudyDisplay, in_rows
from collapse.figures.intervals import estimates, line_with_band
from collapse.figures.readings import distances_text, listed

_ACROSS = 3
_NAMED = 3
"""Most lines or models that a sentence lists individually; of more it gives the range."""


class AucBySizeDisplay(StudyDisplay):
    """Test AUC by size, a multiple of the base size: one point per run, the mean, and its interval as a band."""

    columns = (
        "data", "model", "variant", "factor", "seed", "test_auc", "test_logloss", "constant_logloss", "panel",
        "line",
    )  # fmt: skip
    size = (style.COLUMN, 2.8)
    legend_lines = 0
    with_distances: ClassVar[bool] = False
    """Whether the caption has the distances of the projections from unitary ones at the largest size."""

    def derive(self) -> dict[str, pd.DataFrame]:
        """Return the means of the runs at every size, with their intervals."""
        return {"means": spread(self.table, ["panel", "line", "factor"])}

    @property
    def here(self) -> str:
        """How AUC changes with the size, or with one panel per model, how ME compares with SE."""
        means = self.derived["means"]
        several = means["panel"].nunique() > 1
        return sets_over_single(means) if several else changes_of_auc(means, "line")

    @property
    def provenance(self) -> str:
        """The provenance, with the meaning of the bands and the number of runs that are worse than a constant."""
        text = f"{super().provenance}{uncertainty(self.table, self.derived['means'])}"
        largest = self.table[self.table["factor"] == self.table["factor"].max()]
        return text + (distances_text(largest, "line") if self.with_distances else "")

    def layout(self) -> PanelLayout:
        """Return one panel, or three models per row."""
        names = list(self.table["panel"].unique())
        if len(names) == 1:
            return super().layout()
        mosaic = in_rows(names, _ACROSS)
        return PanelLayout(mosaic=mosaic, size=(style.PAGE * len(mosaic[0]) / _ACROSS, 0.4 + 1.9 * len(mosaic)))

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the lines and bands."""
        names = list(self.table["panel"].unique())
        colours = dict(zip(lines := list(self.table["line"].unique()), style.colours(len(lines)), strict=True))
        handles: dict[str, Artist] = {}
        for ax, name in zip(axes, names, strict=True):
            of_panel = self.derived["means"][self.derived["means"]["panel"] == name]
            runs = self.table[self.table["panel"] == name]
            for line, of_line in of_panel.groupby("line", sort=False):
                # A figure of a single model has its name in the legend, where the title would be.
                label = style.model_name(", ".join([name, str(line)] if name and len(names) == 1 else [str(line)]))
                points = runs[runs["line"] == line]
                handles[str(line)] = draw_auc(ax, of_line, points, colour=colours[str(line)], label=label)
            size_axis(ax, of_panel["factor"])
            ax.set_title(style.model_name(name) if len(names) > 1 else "")
        axes[0].set_ylabel("test AUC")
        if len(names) == 1:
            style.legend_above(axes[0], [handles[line] for line in lines], columns=3)
        else:
            axes[0].legend(handles=[handles[line] for line in lines])


def spread(runs: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return mean, standard deviation, number and interval of the runs' test AUC by some columns.

    Parameters
    ----------
    runs : pandas.DataFrame
        The runs with their ``test_auc``.
    keys : list of str
        The columns to group by, including ``factor``.

    Returns
    -------
    pandas.DataFrame
        The columns of `keys`, then ``mean``, ``std`` (of the sample; NaN for one run), ``size``, and the ends
        ``low`` and ``high`` of the 95 % interval of the mean (Student's t; NaN for one run).
    """
    return estimates(runs, keys, "test_auc").sort_values("factor", kind="stable", ignore_index=True)


def changes_of_auc(means: pd.DataFrame, line: str) -> str:
    """Describe how the mean test AUC of every line changes from the smallest size to the largest.

    Returns
    -------
    str
        A clause; empty if no line has several sizes.
    """
    ends = means.sort_values("factor", kind="stable").groupby(line, sort=False)[["factor", "mean"]]
    first, last = ends.first(), ends.last()
    longer = first.index[last["factor"] > first["factor"]]
    if longer.empty:
        return ""
    change = (last["mean"] - first["mean"])[longer]
    sizes = f"from {first['factor'].min():g}x to {last['factor'].max():g}x mean test AUC"
    if len(change) <= _NAMED:
        return f"{sizes} changes by {listed(change, '{:+.4f}')}"
    rising = int((change > 0).sum())
    spread = f"{change.min():+.4f} to {change.max():+.4f}"
    return f"{sizes} rises for {rising} of {len(change)} models, with changes of {spread}"


def sets_over_single(means: pd.DataFrame) -> str:
    """Describe how far the mean test AUC of ME lies above that of SE at the largest size that both have.

    Parameters
    ----------
    means : pandas.DataFrame
        Result of `spread` by ``panel``, ``line`` (SE and ME) and ``factor``.

    Returns
    -------
    str
        A clause; empty if no model has both at the same size.
    """
    both = means.pivot_table(index=["panel", "factor"], columns="line", values="mean", sort=False)
    both = both[both.index.get_level_values("factor") > 1].reindex(columns=["SE", "ME"]).dropna()
    largest = both.sort_index(level="factor", sort_remaining=False).groupby("panel", sort=False).tail(1)
    if largest.empty:
        return ""
    gain = (largest["ME"] - largest["SE"]).droplevel("factor")
    size = f"{largest.index.get_level_values('factor').max():g}x"
    if len(gain) <= _NAMED:
        return f"at {size} the mean test AUC of ME minus that of SE is {listed(gain, '{:+.4f}')}"
    above = int((gain > 0).sum())
    return (
        f"at {size} ME has the higher mean test AUC for {above} of {len(gain)} models, with differences from "
        f"{gain.min():+.4f} to {gain.max():+.4f}"
    )


def uncertainty(runs: pd.DataFrame, means: pd.DataFrame) -> str:
    """Explain points and bands, and count the runs that predict worse than a constant.

    Parameters
    ----------
    runs, means : pandas.DataFrame
        The table of the figure, and the result of `spread`.

    Returns
    -------
    str
        Lines, each after a line break; empty if there is nothing to say.
    """
    lines = []
    if (means["size"] > 1).any():
        lines.append("points are initialisations; bands are 95 % intervals of their mean (Student's t)")
    known = runs.dropna(subset=["test_logloss", "constant_logloss"])
    if worse := int((known["test_logloss"] > known["constant_logloss"]).sum()):
        lines.append(
            f"{worse} of {len(known)} runs have a test logloss worse than that of predicting the mean label"
        )
    return "".join(f"\n{line}" for line in lines)


def draw_auc(
    ax: Axes, means: pd.DataFrame, runs: pd.DataFrame, *, colour: tuple[float, float, float], label: str
) -> Artist:
    """Draw a line of mean test AUC by size, its interval as a band if runs are repeated, and one point per run.

    Parameters
    ----------
    ax : Axes
        The axes.
    means : pandas.DataFrame
        ``factor``, ascending, ``mean``, ``low`` and ``high``; the latter two are NaN for a single run, which has
        no band.
    runs : pandas.DataFrame
        ``factor`` and ``test_auc`` of every run.
    colour : tuple of float
        Red, green and blue.
    label : str
        Name of the line.
    """
    line = line_with_band(ax, means, runs, x="factor", y="test_auc", colour=colour)
    line.set_label(label)
    return line


def size_axis(ax: Axes, multiples: "pd.Series[float]") -> None:
    """Show multiples of the base size on a logarithmic x axis with one tick each."""
    ax.set(xlabel="embedding size / base size", xscale="log")
    known = sorted(multiples.unique())
    ax.set_xticks(known, [f"{factor:g}x" for factor in known])
    ax.set_xticks([], minor=True)
    ax.grid(visible=True)
