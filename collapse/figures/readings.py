"""Sentences about what a figure shows, from its numbers."""

import math

import pandas as pd

from collapse.figures import style


def reading(paper: str, here: str) -> str:
    """Combine what the paper's figure shows with what this one does.

    Parameters
    ----------
    paper, here : str
        Clauses without a full stop. `here` may be empty if the numbers say nothing.

    Returns
    -------
    str
        ``Paper: .... Here: ....``
    """
    return f"Paper: {paper}." + (f" Here: {here}." if here else "")


def defined(value: float, form: str = "{:.2f}") -> str:
    """Format a number. NaN, such as the correlation with a constant, becomes "not defined"."""
    return "not defined" if math.isnan(value) else form.format(value)


def listed(values: "pd.Series[float]", form: str) -> str:
    """Format every value with its name: ``-0.0012 (DNN), +0.0004 (DCNv2)``.

    Parameters
    ----------
    values : pandas.Series
        The values, indexed by name. NaN are left out.
    form : str
        Format of a value, such as ``{:+.4f}``.
    """
    return ", ".join(f"{form.format(value)} ({style.model_name(name)})" for name, value in values.dropna().items())


def distances_text(table: pd.DataFrame, by: str = "label") -> str:
    """Describe the distances of the projections from unitary ones in a line that begins with a line break.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows with a ``unitary_distance``.
    by : str
        Column by which means are taken.

    Returns
    -------
    str
        The means; empty if nothing was recorded.
    """
    means = listed(table.groupby(by, sort=False)["unitary_distance"].mean(), "{:.2f}")
    return f"\nmean distance of the projections from unitary ones: {means}" if means else ""
