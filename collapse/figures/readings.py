"""Sentences on what a figure shows, from its numbers."""

import math

import pandas as pd

from collapse.figures import style


def reading(paper: str, here: str) -> str:
    """Put what the paper's figure shows next to what this one does.

    Parameters
    ----------
    paper, here : str
        Clauses without a full stop; `here` may be empty, where the numbers say nothing.

    Returns
    -------
    str
        ``Paper: .... Here: ....``
    """
    return f"Paper: {paper}." + (f" Here: {here}." if here else "")


def defined(value: float, form: str = "{:.2f}") -> str:
    """Return a number as text; of NaN, such as the correlation of what is constant, that it is not defined."""
    return "not defined" if math.isnan(value) else form.format(value)


def listed(values: "pd.Series[float]", form: str) -> str:
    """Return every value with its name: ``-0.0012 (DNN), +0.0004 (DCNv2)``.

    Parameters
    ----------
    values : pandas.Series
        The values, their names the index; NaN are left out.
    form : str
        How a value is written, such as ``{:+.4f}``.
    """
    return ", ".join(f"{form.format(value)} ({style.model_name(name)})" for name, value in values.dropna().items())


def distances_text(table: pd.DataFrame, by: str = "label") -> str:
    """Say how far the projections are from unitary ones, in a line with the break before it.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows with their ``unitary_distance``.
    by : str
        The column whose values are told apart.

    Returns
    -------
    str
        The means; empty where nothing was recorded.
    """
    means = listed(table.groupby(by, sort=False)["unitary_distance"].mean(), "{:.2f}")
    return f"\nmean distance of the projections from unitary ones: {means}" if means else ""
