"""Number types with bounds."""

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse import bounds
from collapse.errors import CollapseError

RANGES = {
    bounds.Count: (1, 2**31 - 1),
    bounds.CountFrom0: (0, 2**31 - 1),
    bounds.CountFrom2: (2, 2**31 - 1),
    bounds.Cardinality: (1, math.inf),
    bounds.Index: (0, math.inf),
    bounds.Seed: (0, 2**32 - 1),
}
"""The smallest and the largest integer of a type."""
FRACTIONS: dict[Any, Callable[[float], bool]] = {
    bounds.Positive: lambda x: 0 < x < math.inf,
    bounds.NotNegative: lambda x: 0 <= x < math.inf,
    bounds.Dropped: lambda x: 0 <= x < 1,
    bounds.Fraction: lambda x: 0 < x <= 1,
}
"""Whether a type accepts a number."""


def check_against(value: Any, hint: Any, *, holds: bool) -> None:
    """Check that a value is accepted, or refused with a message that names it."""
    if holds:
        bounds.check("this", value, hint)
        return
    with pytest.raises(CollapseError) as caught:
        bounds.check("this", value, hint)
    assert str(caught.value).startswith("this must be ")
    assert str(caught.value).endswith(f", got {value!r}")


NEAR = [int(end) + step for pair in RANGES.values() for end in pair if end < math.inf for step in (-1, 0, 1)]


@given(st.integers() | st.sampled_from(NEAR))
def test_whole_numbers_are_accepted_between_their_bounds(value: int) -> None:
    for hint, (low, high) in RANGES.items():
        check_against(value, hint, holds=low <= value <= high)


@given(st.floats() | st.sampled_from([0.0, 1.0, -0.0, 5e-324, math.nextafter(1, 0), math.nextafter(1, 2)]))
def test_numbers_are_accepted_between_their_bounds(value: float) -> None:
    for hint, holds in FRACTIONS.items():
        check_against(value, hint, holds=holds(value))


@pytest.mark.parametrize("value", [None, "3", True, [1], {}, b"1"])
@pytest.mark.parametrize("hint", [*RANGES, *FRACTIONS])
def test_what_is_not_a_number_is_refused_with_the_type_that_is_expected(hint: Any, value: Any) -> None:
    kind = get_args(hint)[0]
    with pytest.raises(CollapseError, match=f"must be {bounds.KINDS[kind]}, got"):
        bounds.check("this", value, hint)


def test_the_sentence_says_which_bound_is_broken() -> None:
    for value, hint, sentence in (
        (1, bounds.CountFrom2, "n must be at least 2, got 1"),
        (2**31, bounds.Count, f"n must be at most {2**31 - 1}, got {2**31}"),
        (2**32, bounds.Seed, f"n must be less than {2**32}, got {2**32}"),
        (-1.0, bounds.Positive, "n must be positive and finite, got -1.0"),
        ("x", Literal["all", "seen", "frequency"], "n must be 'all', 'seen' or 'frequency', got 'x'"),
        (3, bool, "n must be true or false, got 3"),
        (0, bounds.Count | None, "n must be at least 1, got 0"),
        ((1.0, 0.0), tuple[bounds.Fraction, ...], "n must be greater than 0 and at most 1, got 0.0"),
    ):
        with pytest.raises(CollapseError) as caught:
            bounds.check("n", value, hint)
        assert str(caught.value) == sentence


def test_nothing_is_accepted_where_it_may_be_missing() -> None:
    bounds.check("n", None, bounds.Count | None)
    with pytest.raises(CollapseError):
        bounds.check("n", None, bounds.Count)
