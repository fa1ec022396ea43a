"""Bins of numbers, compared with plain Python and with their printed intervals."""

import math
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.training.data.sources.table.bins import (
    Bins,
    in_powers_of_two,
    in_quantiles,
    in_widths,
    parse_bins,
    quantiles,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-20, 20).map(float)
NUMBERS = st.lists(FINITE | st.just(math.nan), min_size=1, max_size=40).map(np.array)


def slow_quantiles(numbers: list[float], bins: int) -> list[float]:
    """Compute the edges with plain Python."""
    known = sorted(number for number in numbers if not math.isnan(number))
    own = {v for v in known if known.count(v) * bins >= len(known)}
    light = [v for v in known if v not in own]
    left = max(bins - len(own), 1)
    edges = own | {max(w for w in known if w < v) for v in own if v > known[0]}
    for k in range(1, left) if light else ():
        edges.add(next(v for n, v in enumerate(light, start=1) if Fraction(n, len(light)) >= Fraction(k, left)))
    return sorted(edges)


@given(NUMBERS, st.integers(2, 12))
def test_quantiles_agree_with_plain_python(numbers: np.ndarray, bins: int) -> None:
    assert quantiles(numbers, bins).tolist() == slow_quantiles(numbers.tolist(), bins)


@given(NUMBERS, st.integers(2, 12))
def test_a_number_that_fills_a_bin_has_one_of_its_own(numbers: np.ndarray, bins: int) -> None:
    known = numbers[~np.isnan(numbers)]
    texts = in_quantiles(known, quantiles(known, bins)).to_list()
    for number in known:
        if np.sum(known == number) * bins >= len(known):
            assert {
                n for n, text in zip(known, texts, strict=True) if text == texts[known.tolist().index(number)]
            } == {number}


def test_many_zeros_leave_the_other_numbers_their_bins() -> None:
    numbers = np.concatenate([np.zeros(900), np.arange(1.0, 101.0)])
    counts = in_quantiles(numbers, quantiles(numbers, 11)).value_counts()["count"].to_list()
    assert sorted(counts) == [*[10] * 10, 900]


@given(NUMBERS, st.integers(2, 12))
def test_a_quantile_bin_is_the_interval_that_it_is_called(numbers: np.ndarray, bins: int) -> None:
    edges = quantiles(numbers, bins).tolist()
    for number, text in zip(numbers.tolist(), in_quantiles(numbers, np.array(edges)).to_list(), strict=True):
        if math.isnan(number):
            assert text is None
        elif text.startswith("<= "):
            assert number <= edges[0] == float(text[3:])
        elif text.startswith("> "):
            assert number > edges[-1] == float(text[2:])
        else:
            low, high = (float(part) for part in text.strip("(]").split(", "))
            assert low < number <= high
            assert {low, high} <= set(edges)


@given(st.lists(st.integers(0, 10**6), min_size=64, max_size=64, unique=True))
def test_distinct_numbers_fill_the_bins_equally(numbers: list[int]) -> None:
    floats = np.array(numbers, dtype=float)
    counts = in_quantiles(floats, quantiles(floats, 8)).value_counts()["count"].to_list()
    assert counts == [8] * 8


@given(FINITE)
def test_powers_of_two_lie_about_the_number(number: float) -> None:
    [text] = in_powers_of_two(np.array([number])).to_list()
    if number == 0:
        assert text == "0"
        return
    low, high = (Fraction(2) ** int(part.split("^")[1]) for part in text.strip("[](").strip(")").split(", "))
    if number > 0:
        assert text.endswith(")")
        assert low <= Fraction(number) < high
    else:
        assert text.startswith("(-")
        assert high <= -Fraction(number) < low


def test_powers_of_two_by_hand() -> None:
    numbers = np.array([0.0, -0.0, 1.0, 7.999, 8.0, 0.25, -8.0, -9.0, math.nan])
    assert in_powers_of_two(numbers).to_list() == [
        "0", "0", "[2^0, 2^1)", "[2^2, 2^3)", "[2^3, 2^4)", "[2^-2, 2^-1)", "(-2^4, -2^3]", "(-2^4, -2^3]", None,
    ]  # fmt: skip


@given(st.floats(-1e6, 1e6), st.integers(1, 1000))
@example(-5e-324, 2)
def test_a_width_is_as_wide_as_it_says(number: float, width: int) -> None:
    [text] = in_widths(np.array([number]), float(width)).to_list()
    low, high = (float(part) for part in text.strip("[)").split(", "))
    near = partial(math.isclose, number, abs_tol=1e-300)
    assert low <= number < high or near(low) or near(high)
    assert not text.startswith("[-0,")
    assert high - low == width
    assert low % width == 0


def test_widths_by_hand() -> None:
    assert in_widths(np.array([59.9, 60.0, -1.0, math.nan]), 20.0).to_list() == [
        "[40, 60)",
        "[60, 80)",
        "[-20, 0)",
        None,
    ]
    assert in_widths(np.array([0.35]), 0.1).to_list() == ["[0.3, 0.4)"]


@pytest.mark.parametrize("text", ["quantile:32", "quantile:2", "log2", "width:20", "width:0.5"])
def test_rules_are_written_as_they_are_read(text: str) -> None:
    assert str(parse_bins(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quantile",
        "quantile:1",
        "quantile:x",
        "quantile:-3",
        "log2:3",
        "log",
        "width:0",
        "width:-1",
        "width:inf",
        "width:nan",
        "width:x",
    ],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(CollapseError, match="quantile:N"):
        parse_bins(text)


def test_no_number_at_all() -> None:
    assert len(quantiles(np.array([math.nan]), 4)) == 0
    assert in_quantiles(np.array([math.nan]), np.zeros(0)).to_list() == [None]
    assert Bins("quantile", 4.0) == parse_bins("quantile:4")
