"""Statistics of the findings: intervals have their coverage, and tests their error rates."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from collapse.measures.statistics import (
    estimate,
    fraction_interval,
    holm,
    initialisations_needed,
    p_above,
    p_below,
)
from collapse.paper.findings.auc_rows import placements, row_variance

VALUES = st.integers(2, 12).flatmap(lambda S: arrays(np.float64, S, elements=st.floats(-100, 100)))


class TestEstimates:
    @given(VALUES)
    def test_without_test_rows_it_is_students(self, values: NDArray[np.float64]) -> None:
        found = estimate(values)
        assert found.effect == pytest.approx(values.mean())
        error = values.std(ddof=1) / np.sqrt(len(values))
        twin = stats.t.interval(0.95, len(values) - 1, values.mean(), error) if error else (values.mean(),) * 2
        assert_allclose([found.low, found.high], twin, atol=1e-9)
        if error > 1e-9:
            test = stats.ttest_1samp(values, 1.5, alternative="greater")
            assert p_above(found, 1.5) == pytest.approx(test.pvalue, abs=1e-9)
            assert p_above(found, 1.5) + p_below(found, 1.5) == pytest.approx(1)

    @given(VALUES, st.floats(1e-3, 10))
    def test_test_rows_widen_it(self, values: NDArray[np.float64], variance: float) -> None:
        without, found = estimate(values), estimate(values, row_variance=variance)
        assert found.error**2 == pytest.approx(without.error**2 + variance)
        assert found.high - found.low > 3.9 * math.sqrt(variance)
        assert found.freedom >= len(values) - 1

    def test_what_does_not_vary_is_certain(self) -> None:
        found = estimate([2.0, 2.0, 2.0])
        assert (found.low, found.high, p_above(found, 1), p_above(found, 2)) == (2, 2, 0, 1)

    @pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan]])
    def test_too_few_numbers_have_no_interval(self, values: list[float]) -> None:
        found = estimate(values)
        assert math.isnan(found.low)
        assert math.isnan(p_above(found, 0))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_its_definition(p_values: list[float]) -> None:
    """A hypothesis is rejected if it and all smaller ones are below 5 % divided by the number left."""
    adjusted = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    rejected: set[int] = set()
    for rank, number in enumerate(order):
        if p_values[number] * (len(p_values) - rank) > 0.05:
            break
        rejected.add(int(number))
    assert {number for number, p in enumerate(adjusted) if p <= 0.05} == rejected
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))


def test_holm_leaves_out_what_was_not_tested() -> None:
    assert holm([0.03, math.nan])[0] == 0.03
    assert math.isnan(holm([0.03, math.nan])[1])


def test_a_share_is_exact() -> None:
    low, high = fraction_interval(29, 31)
    assert stats.binom.sf(28, 31, low) == pytest.approx(0.025)
    assert stats.binom.cdf(29, 31, high) == pytest.approx(0.025)
    assert fraction_interval(5, 5)[1] == 1


def test_how_many_initialisations_would_tell() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0])
    needed = initialisations_needed(found, 0.5)
    assert needed is not None
    reach = [stats.t.ppf(0.975, S - 1) * found.deviation / np.sqrt(S) for S in (needed - 1, needed)]
    assert reach[1] < 2.0 <= reach[0]
    assert initialisations_needed(estimate([1.0, 1.1], row_variance=100.0), 0) is None


class TestRows:
    @given(seed=st.integers(0, 999), n=st.integers(6, 80), decimals=st.integers(0, 3))
    def test_placements_average_to_the_auc(self, seed: int, n: int, decimals: int) -> None:
        """Computed pair by pair, with ties."""
        random = np.random.default_rng(seed)
        labels = (np.arange(n) % 3 == 0).astype(np.uint8)
        scores = np.round(random.standard_normal(n) + labels, decimals)
        positives, negatives = placements(labels, scores)
        auc = roc_auc_score(labels, scores)
        assert positives.mean() == pytest.approx(auc)
        assert negatives.mean() == pytest.approx(auc)
        of, others = scores[labels == 1], scores[labels == 0]
        pairs = (of[:, None] > others).astype(float) + 0.5 * (of[:, None] == others)
        assert_allclose(positives, pairs.mean(1))
        assert_allclose(negatives, pairs.mean(0))

    def test_the_variance_is_that_of_drawing_the_rows_again(self) -> None:
        """The variance of a difference of two models, over 600 draws of 400 rows."""
        random = np.random.default_rng(0)
        differences, variances = [], []
        for _ in range(600):
            labels = (random.random(400) < 0.4).astype(np.uint8)
            shared = labels + random.standard_normal(400)
            one, other = (shared + 0.7 * random.standard_normal(400) for _ in range(2))
            differences.append(roc_auc_score(labels, one) - roc_auc_score(labels, other))
            variances.append(row_variance([(1, labels, one), (-1, labels, other)]))
        assert np.mean(variances) == pytest.approx(np.var(differences), rel=0.15)

    def test_the_same_model_twice_does_not_vary(self) -> None:
        labels = np.array([0, 1, 0, 1, 1], np.uint8)
        scores = np.arange(5.0)
        assert row_variance([(1, labels, scores), (-1, labels, scores)]) == 0
        assert math.isnan(row_variance([(1, labels, scores), (-1, 1 - labels, scores)]))
