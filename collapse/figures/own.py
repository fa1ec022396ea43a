"""A user's figures: lines or points with intervals over the initialisations, by hue and panel."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

from collapse.figures import style
from collapse.figures.display import Display, PanelLayout, in_rows
from collapse.figures.intervals import estimates, line_with_band
from collapse.figures.own_figure import OwnFigure

_ACROSS = 3
_MOST_TICKS = 8
"""Most values of a numeric axis that each have a tick."""
_DODGE = 0.6
"""Width that the hues of one category share, in categories."""
_LABELS = {
    "test_auc": "test AUC",
    "validation_auc": "validation AUC",
    "embedding_size": "embedding size K",
    "sets": "number of sets M",
    "columns": "columns of a table, K x M",
    "ia": "information abundance",
    "ia_normalised": "IA / IA of random tables",
    "ia_adjusted": "adjusted abundance",
}
"""Labels of variables whose names do not read well."""


class OwnDisplay(Display):
    """One point per run, the mean over the initialisations, and its interval.

    A numeric variable on the horizontal axis gives lines, and any other gives points.
    """

    size = (style.COLUMN, 2.6)
    legend_lines = 0
    columns = ("run", "initialisation")
    described: ClassVar[OwnFigure]
    """The description of the figure."""

    @classmethod
    def of(cls, figure: OwnFigure, table: pd.DataFrame, provenance: str) -> "OwnDisplay":
        """Make a figure from its description and its table.

        Parameters
        ----------
        figure : OwnFigure
            The description.
        table : pandas.DataFrame
            Result of `collapse.paper.own_table.own_table`.
        provenance : str
            Where the runs are from.
        """
        kind = type("OwnDisplay", (cls,), {"number": figure.name, "described": figure, "__doc__": cls.__doc__})
        return kind(table.assign(provenance=provenance))  # type: ignore[no-any-return]

    def derive(self) -> dict[str, pd.DataFrame]:
        """Return the means over the initialisations at every place, with what is drawn around them."""
        figure = self.described
        place = [name for name in (figure.panel, figure.hue, figure.x) if name]
        of_seed = [*place, "initialisation"]
        per_seed = self.table.groupby(list(dict.fromkeys(of_seed)), sort=False, dropna=False)[figure.y].mean()
        means = estimates(per_seed.reset_index(), place, figure.y)
        if figure.error == "deviation":
            means = means.assign(low=means["mean"] - means["std"], high=means["mean"] + means["std"])
        means = means.rename(columns={"size": "initialisations"})
        return {"means": means[[*place, "mean", "low", "high", "initialisations"]]}

    @property
    def reading(self) -> str:
        """What the figure shows, in its author's words."""
        shows = self.described.shows.rstrip(".")
        return f"{shows}." if shows else ""

    @property
    def provenance(self) -> str:
        """What is drawn, the settings that were averaged over, and where the runs are from."""
        figure, means = self.described, self.derived["means"]
        seeds = int(means["initialisations"].max())
        around = {"interval": "95 % intervals of their mean (Student's t)", "deviation": "standard deviations"}
        drawn = (
            "points are runs" if figure.y not in self._averaged else "points are runs, averaged over the fields"
        )
        if seeds > 1 and figure.error in around:
            marks = "bands" if self._is_numeric else "bars"
            drawn += f"; {marks} are {around[figure.error]} over {seeds} initialisations"
        varied = str(self.table["varied"].iloc[0])
        mixed = f"; runs with different {varied} are shown together" if varied else ""
        return f"{drawn}{mixed}\n{self.table['provenance'].iloc[0]}"

    @property
    def _averaged(self) -> tuple[str, ...]:
        """The measures of fields, if they were averaged."""
        return () if self.described.is_by_field or self.described.is_by_epoch else self.described.measures

    def layout(self) -> PanelLayout:
        """Return one panel, or three per row; names of many categories widen it."""
        panels = self._values(self.described.panel)
        categories = 0 if self._is_numeric else len(self._values(self.described.x))
        if len(panels) == 1:
            size = style.wide_enough(self.size, categories) if categories else self.size
            return PanelLayout(mosaic=self.mosaic, size=size)
        mosaic = in_rows(list(map(str, panels)), _ACROSS)
        return PanelLayout(mosaic=mosaic, size=(style.PAGE * len(mosaic[0]) / _ACROSS, 0.6 + 2.0 * len(mosaic)))

    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the panels."""
        figure, means = self.described, self.derived["means"]
        if figure.error == "none":
            means = means.assign(low=np.nan, high=np.nan)
        hues = self._values(figure.hue)
        colours = dict(zip(hues, style.colours(len(hues)), strict=True))
        handles: dict[object, Artist] = {}
        panels = self._values(figure.panel)
        for ax in axes[1:]:
            ax.sharey(axes[0])
        for ax, panel in zip(axes, panels, strict=True):
            of_panel, runs = _where(means, figure.panel, panel), _where(self.table, figure.panel, panel)
            for place, hue in enumerate(hues):
                of_hue, points = _where(of_panel, figure.hue, hue), _where(runs, figure.hue, hue)
                if of_hue.empty:
                    continue
                shift = _DODGE * ((place + 0.5) / len(hues) - 0.5)
                draw = self._line if self._is_numeric else self._points
                handles[hue] = draw(ax, of_hue, points, colours[hue], shift)
                handles[hue].set_label(style.model_name(hue) if figure.hue == "model" else str(hue))
            self._axes(ax, runs)
            ax.set_title(f"{_label(figure.panel)} {panel}" if figure.panel else "")
        axes[0].set_ylabel(_label(figure.y))
        if figure.hue:
            entries = list(handles.values())
            if len(panels) == 1:
                style.legend_above(axes[0], entries, columns=3)
            else:
                axes[0].legend(handles=entries, title=_label(figure.hue), title_fontsize=7)

    def _line(
        self, ax: Axes, means: pd.DataFrame, runs: pd.DataFrame, colour: tuple[float, float, float], _: float
    ) -> Artist:
        figure = self.described
        ordered = means.sort_values(figure.x, kind="stable")
        return line_with_band(ax, ordered, runs, x=figure.x, y=figure.y, colour=colour)

    def _points(
        self, ax: Axes, means: pd.DataFrame, runs: pd.DataFrame, colour: tuple[float, float, float], shift: float
    ) -> Artist:
        figure = self.described
        places = {value: n for n, value in enumerate(self._values(figure.x))}
        at = means[figure.x].map(places) + shift
        around = [means["mean"] - means["low"], means["high"] - means["mean"]]
        ax.scatter(runs[figure.x].map(places) + shift, runs[figure.y], color=[colour], alpha=0.4, s=4, lw=0)
        return ax.errorbar(at, means["mean"], yerr=around, fmt="o", color=colour, ms=3, lw=0.8).lines[0]

    def _axes(self, ax: Axes, runs: pd.DataFrame) -> None:
        figure = self.described
        ax.set_xlabel(_label(figure.x))
        ax.grid(visible=True, axis="both" if self._is_numeric else "y")
        if figure.log in ("y", "both"):
            ax.set_yscale("log")
        if not self._is_numeric:
            values = list(map(str, self._values(figure.x)))
            long = max(map(len, values)) * len(values) > style.COLUMN * 10
            ax.set_xticks(range(len(values)), values, rotation=90 if long else 0)
            ax.set_xlim(-0.6, len(values) - 0.4)
            return
        if figure.log in ("x", "both"):
            ax.set_xscale("log")
        if figure.x == "epoch":
            style.epoch_axis(ax, xlabel="epoch", ylabel="")
            return
        known = sorted(runs[figure.x].dropna().unique())
        if len(known) <= _MOST_TICKS:
            ax.set_xticks(known, [f"{value:g}" for value in known])
            ax.xaxis.set_minor_locator(NullLocator())
        elif figure.log in ("x", "both"):
            ax.xaxis.set_major_locator(LogLocator())
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())

    @property
    def _is_numeric(self) -> bool:
        return _is_numeric(self.table[self.described.x])

    def _values(self, name: str) -> list[object]:
        """Return the values of a variable: numbers and names ascending, and fields in the model's order."""
        if not name:
            return [""]
        values = self.table[name]
        if name == "field":
            return list(values.unique())
        return sorted(values.unique(), key=None if _is_numeric(values) else _naturally)


def _is_numeric(values: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _where(table: pd.DataFrame, name: str, value: Any) -> pd.DataFrame:
    if not name:
        return table
    column = table[name]
    return table[column.isna() if pd.isna(value) else column == value]


def _naturally(value: object) -> list[tuple[float, str]]:
    """Return a key that sorts dnn-4 before dnn-16."""
    parts = re.split(r"(\d+)", str(value))
    return [(float(part), "") if part.isdecimal() else (-1.0, part) for part in parts]


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))
