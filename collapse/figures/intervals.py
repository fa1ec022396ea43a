"""Means over initialisations with their intervals, and how they are drawn."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from collapse.measures.statistics import estimate


def estimates(table: pd.DataFrame, keys: list[str], value: str) -> pd.DataFrame:
    """Return the mean of a column by some others, with its deviation and interval.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per initialisation and place.
    keys : list of str
        The columns to group by, in whose order of appearance the result is.
    value : str
        The column to average.

    Returns
    -------
    pandas.DataFrame
        The columns of `keys`, then ``mean``, ``std`` (of the sample; NaN for one row), ``size``, and the ends
        ``low`` and ``high`` of the 95 % interval of the mean (Student's t; NaN for one row).
    """
    records = []
    for key, of_key in table.groupby(keys, sort=False, dropna=False)[value]:
        found = estimate(of_key.to_numpy(float))
        records.append([*key, found.effect, found.deviation, len(of_key), found.low, found.high])
    return pd.DataFrame(records, columns=[*keys, "mean", "std", "size", "low", "high"])


def line_with_band(
    ax: Axes, means: pd.DataFrame, points: pd.DataFrame, *, x: str, y: str, colour: tuple[float, float, float]
) -> Line2D:
    """Draw a line of means, and where there are intervals, a band and the points behind the means.

    Parameters
    ----------
    ax : Axes
        The axes.
    means : pandas.DataFrame
        The column `x`, ascending, ``mean``, ``low`` and ``high``; the latter two are NaN without an interval.
    points : pandas.DataFrame
        The columns `x` and `y`.
    x, y : str
        Columns of the two axes.
    colour : tuple of float
        Red, green and blue.
    """
    if means["low"].notna().any():
        ax.fill_between(means[x], means["low"], means["high"], color=colour, alpha=0.15, lw=0)
        ax.scatter(points[x], points[y], color=[colour], alpha=0.5, s=4, lw=0)
    return ax.plot(means[x], means["mean"], "o-", color=colour, ms=3)[0]
