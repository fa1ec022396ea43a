"""Figures 1a, 6b, 8a, 10c, 12, 13, 17a and 17b: test AUC against the embedding size, a line a model or variant."""

from collections.abc import Sequence
from typing import ClassVar

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from collapse.figures import style
from collapse.figures.display import Layout
from collapse.figures.study_display import StudyDisplay
from collapse.study.auc import auc_of_runs, curves, spread
from collapse.study.item import Item

_ACROSS = 3


class AucBySizeDisplay(StudyDisplay):
    """Test AUC against the size, a multiple of the base: a point per run, the mean, and its interval as a band."""

    columns = (
        "data", "model", "variant", "factor", "seed", "test_auc", "test_logloss", "constant_logloss", "panel",
        "line",
    )  # fmt: skip
    size = (style.COLUMN, 2.8)
    legend_lines = 0
    lines: ClassVar[str] = "model"
    """Which column tells the lines apart: ``model``, or ``variant`` for SE and ME."""
    panels: ClassVar[bool] = False
    """Whether every model has a panel of its own."""

    @classmethod
    def compute(cls, item: Item) -> pd.DataFrame:
        """Read every run's test AUC; a line of ME begins with SE at 1x, which is one set."""
        runs = curves(auc_of_runs(item))
        return runs.assign(line=runs[cls.lines], panel=runs["model"] if cls.panels else "")

    def derive(self) -> dict[str, pd.DataFrame]:
        """Return the means of the runs at every size, with their intervals."""
        return {"means": spread(self.table, ["panel", "line", "factor"])}

    @property
    def caption(self) -> str:
        """The same, with what bands are, and how many runs are worse than a constant."""
        return f"{super().caption}{uncertainty(self.table, self.derived['means'])}"

    def layout(self) -> Layout:
        """Return a panel, or three models a row."""
        names = list(self.table["panel"].unique())
        if len(names) == 1:
            return super().layout()
        rows = [names[first : first + _ACROSS] for first in range(0, len(names), _ACROSS)]
        across = len(rows[0])
        mosaic = [row + ["."] * (across - len(row)) for row in rows]
        return Layout(mosaic=mosaic, size=(style.PAGE * across / _ACROSS, 0.4 + 1.9 * len(rows)))

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw a line and a band each."""
        names = list(self.table["panel"].unique())
        colours = dict(zip(lines := list(self.table["line"].unique()), style.colours(len(lines)), strict=True))
        handles: dict[str, Artist] = {}
        for ax, name in zip(axes, names, strict=True):
            of_panel = self.derived["means"][self.derived["means"]["panel"] == name]
            runs = self.table[self.table["panel"] == name]
            for line, of_line in of_panel.groupby("line", sort=False):
                # A model that has the figure to itself stands in the legend, which is where the title would be.
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


def uncertainty(runs: pd.DataFrame, means: pd.DataFrame) -> str:
    """Say what points and bands are, and how many runs predict worse than a constant does.

    Parameters
    ----------
    runs, means : pandas.DataFrame
        What `collapse.study.auc.auc_of_runs` and `spread` returned.

    Returns
    -------
    str
        Lines, with the break before them; empty where there is nothing to say.
    """
    lines = []
    if (means["size"] > 1).any():
        lines.append("a point is an initialisation, a band the 95 % interval of their mean (Student's t)")
    known = runs.dropna(subset=["test_logloss", "constant_logloss"])
    if worse := int((known["test_logloss"] > known["constant_logloss"]).sum()):
        lines.append(f"{worse} of {len(known)} runs have a test logloss worse than that of the mean label")
    return "".join(f"\n{line}" for line in lines)


def draw_auc(
    ax: Axes, means: pd.DataFrame, runs: pd.DataFrame, *, colour: tuple[float, float, float], label: str
) -> Artist:
    """Draw a line of mean test AUC by size, its interval as a band where runs are repeated, and a point per run.

    Parameters
    ----------
    ax : Axes
        The axes.
    means : pandas.DataFrame
        ``factor``, ascending, ``mean``, ``low`` and ``high``; those of a single run are NaN and have no band.
    runs : pandas.DataFrame
        ``factor`` and ``test_auc`` of every run.
    colour : tuple of float
        Red, green and blue.
    label : str
        The line's name.

    Returns
    -------
    Artist
        The line.
    """
    if means["low"].notna().any():
        ax.fill_between(means["factor"], means["low"], means["high"], color=colour, alpha=0.15, lw=0)
        ax.scatter(runs["factor"], runs["test_auc"], color=[colour], alpha=0.5, s=4, lw=0)
    return ax.plot(means["factor"], means["mean"], "o-", color=colour, ms=3, label=label)[0]


def size_axis(ax: Axes, factors: "pd.Series[float]") -> None:
    """Put multiples of the base size along the x axis, logarithmic, each with its tick."""
    ax.set(xlabel="embedding size, times the base", xscale="log")
    known = sorted(factors.unique())
    ax.set_xticks(known, [f"{factor:g}x" for factor in known])
    ax.set_xticks([], minor=True)
    ax.grid(visible=True)


class SingleDisplay(AucBySizeDisplay):
    """SE of the six models."""

    number = "1a"
    content = "test AUC against the size, SE, six models"


class DeepAndCrossAucDisplay(AucBySizeDisplay):
    """SE of DNN and DCNv2."""

    number = "6b"
    content = "test AUC against the size, SE, DNN and DCNv2"


class MultiDisplay(AucBySizeDisplay):
    """ME of the six models."""

    number = "8a"
    content = "test AUC against the size, ME, six models"


class VariantAucDisplay(AucBySizeDisplay):
    """Separate, shared and norm-aligned interactions."""

    number = "10c"
    content = "test AUC against the size, ME with separate, shared and norm-aligned interactions"


class FirstDataDisplay(AucBySizeDisplay):
    """SE and ME on the first data set, the paper's Criteo."""

    number = "12"
    content = "test AUC against the size, SE and ME, a panel a model, first data set"
    lines = "variant"
    panels = True


class SecondDataDisplay(FirstDataDisplay):
    """SE and ME on the second data set, the paper's Avazu."""

    number = "13"
    content = "test AUC against the size, SE and ME, a panel a model, second data set"


class RegularisedAucDisplay(FirstDataDisplay):
    """SE and ME of regularised DCNv2."""

    number = "17a"
    content = "test AUC against the size, SE and ME of regularised DCNv2"


class DeepAndCrossSetsDisplay(FirstDataDisplay):
    """SE and ME of DNN and DCNv2."""

    number = "17b"
    content = "test AUC against the size, SE and ME of DNN and DCNv2"
