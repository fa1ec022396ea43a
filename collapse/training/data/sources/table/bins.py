"""Binning of numbers. A bin is a value like any other, named by its interval.

=================  =============================================  ==========================
``quantile:N``     bins with numbers of rows as equal as possible ``(3.5, 7]``, ``> 90``
``log2``           bins between consecutive powers of two         ``[2^3, 2^4)``, ``0``
``width:W``        bins of equal width, from multiples of W       ``[40, 60)``
=================  =============================================  ==========================
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from collapse.errors import CollapseError

Floats = NDArray[np.float64]

_BIAS = 4096.0
"""Offset that makes binary exponents, which lie between -1074 and 1023, positive."""


@dataclass(frozen=True)
class Bins:
    """A rule for binning numbers."""

    rule: Literal["quantile", "log2", "width"]
    """Kind of rule."""
    size: float = 0.0
    """Number of quantile bins, or the width; unused for powers of two."""

    def __str__(self) -> str:
        return self.rule if self.rule == "log2" else f"{self.rule}:{_written(self.size)}"


def parse_bins(text: str) -> Bins:
    """Parse a rule.

    Parameters
    ----------
    text : str
        ``quantile:32``, ``log2`` or ``width:20``.

    Raises
    ------
    CollapseError
        If the text has another form.
    """
    name, _, size = text.partition(":")
    if text == "log2":
        return Bins("log2")
    if name == "quantile" and size.isdecimal() and 2 <= int(size) <= 1_000_000:
        return Bins("quantile", float(size))
    if name == "width":
        try:
            width = float(size)
        except ValueError:
            width = math.nan
        if 0 < width < math.inf:
            return Bins("width", width)
    raise CollapseError(
        f"bins must be quantile:N with N at least 2, log2, or width:W with W above 0, got {text!r}"
    )


def quantiles(numbers: Floats, bins: int) -> Floats:
    """Find edges of bins with equal numbers of rows.

    Parameters
    ----------
    numbers : (rows,) array of float64
        The numbers; NaN if missing.
    bins : int
        Number n of bins.

    Returns
    -------
    (m,) array of float64
        Ascending edges, each of which occurs among the numbers. A bin lies above one edge and reaches up to the
        next.

    Notes
    -----
    A number that makes up 1 / n of all, as 0 often does, gets its own bin. The others share the remaining b bins:
    the k-th edge is the smallest number that at least a fraction k / b of them does not exceed. If a number with
    its own bin lies inside another bin, that bin is split, so there can be more than n bins.
    """
    values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    heavy = counts * bins >= counts.sum()
    own = np.flatnonzero(heavy)
    edges = [values[own], values[own[own > 0] - 1]]
    if not heavy.all():
        left = max(bins - len(own), 1)
        up_to = np.cumsum(counts[~heavy])
        needed = -(-np.arange(1, left) * up_to[-1] // left)
        edges.append(values[~heavy][np.searchsorted(up_to, needed)])
    return np.unique(np.concatenate(edges))


def in_quantiles(numbers: Floats, edges: Floats) -> pl.Series:
    """Name the interval between two edges, including the upper one, that contains each number.

    Parameters
    ----------
    numbers : (rows,) array of float64
        Finite numbers; NaN if missing.
    edges : (n,) array of float64
        Ascending edges.

    Returns
    -------
    pl.Series
        Text; null for NaN.
    """
    texts = [_written(edge) for edge in edges.tolist()]

    def name(code: float) -> str:
        n = int(code)
        if not texts:
            return "any"
        if n == 0:
            return f"<= {texts[0]}"
        return f"({texts[n - 1]}, {texts[n]}]" if n < len(texts) else f"> {texts[-1]}"

    return _named(numbers, np.searchsorted(edges, numbers).astype(np.float64), name)


def in_powers_of_two(numbers: Floats) -> pl.Series:
    """Name the interval between two powers of two that contains each number.

    Parameters
    ----------
    numbers : (rows,) array of float64
        Finite numbers; NaN if missing.

    Returns
    -------
    pl.Series
        Text: ``[2^3, 2^4)`` for 8 to below 16, ``(-2^4, -2^3]`` for their negatives, ``0``; null for NaN.

    Notes
    -----
    The result is exact: the exponent is read from the float64 representation, and no logarithm is computed.
    """
    # A biased exponent is positive, so the sign of a code is that of the number.
    exponents = np.frexp(numbers)[1] - 1 + _BIAS
    codes = np.where(numbers == 0, 0.0, np.copysign(exponents, numbers))

    def name(code: float) -> str:
        e = int(abs(code) - _BIAS)
        if code == 0:
            return "0"
        return f"[2^{e}, 2^{e + 1})" if code > 0 else f"(-2^{e + 1}, -2^{e}]"

    return _named(numbers, codes, name)


def in_widths(numbers: Floats, width: float) -> pl.Series:
    """Name the interval between two multiples of a width, including the lower one, that contains each number.

    Parameters
    ----------
    numbers : (rows,) array of float64
        Finite numbers; NaN if missing.
    width : float
        The width, above 0.

    Returns
    -------
    pl.Series
        Text: ``[40, 60)`` for a width of 20; null for NaN.

    Notes
    -----
    The bin is floor(number / width), computed in float64. If the width is not a binary fraction, such as 0.1, a
    multiple of it may fall into the bin below.
    """
    with np.errstate(over="ignore"):
        # Adding zero makes -0.0 and 0.0 one bin with one name.
        codes = np.floor(numbers / width) + 0.0
    return _named(numbers, codes, lambda k: f"[{_short(k * width)}, {_short((k + 1) * width)})")


def _named(numbers: Floats, codes: Floats, name: Callable[[float], str]) -> pl.Series:
    """Replace every number by the name of its code; null for NaN."""
    distinct, which = np.unique(codes, return_inverse=True)
    names = pl.Series(
        [name(code) if not math.isnan(code) else None for code in distinct.tolist()], dtype=pl.String
    )
    indices = pl.Series(which, dtype=pl.UInt32).set(pl.Series(np.isnan(numbers)), None)
    return names.gather(indices)


def _written(number: float) -> str:
    return repr(number).removesuffix(".0")


def _short(number: float) -> str:
    """Format with twelve digits, so that 3 * 0.1 reads 0.3."""
    return f"{number:.12g}"
