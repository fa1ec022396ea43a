"""Interaction patterns, distances from unitary projections, and differences between sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.analysis.interaction_patterns import interaction_patterns
from collapse.errors import CollapseError
from collapse.measures.projections import pattern_divergence, unitary_distance
from tests.strategies import orthonormal
from tests.test_analysis import table_set


class TestUnitaryDistance:
    """It is 0 only for multiples of unitary matrices."""

    @given(K=st.integers(1, 6), scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
    def test_extremes(self, K: int, scale: float, seed: int) -> None:
        sigma = np.linalg.svd(scale * orthonormal(K, K, seed), compute_uv=False)
        assert unitary_distance(sigma) == pytest.approx(0, abs=1e-7)
        rank_one = np.eye(K)[0] * scale
        assert unitary_distance(rank_one) == pytest.approx(np.sqrt(1 - 1 / K))
        assert np.isnan(unitary_distance(np.zeros(K)))

    @given(K=st.integers(1, 6), seed=st.integers(0, 99))
    def test_it_is_the_least_over_lambda(self, K: int, seed: int) -> None:
        W = np.random.default_rng(seed).standard_normal((K, K))
        gram = W.T @ W
        twin = min(
            np.linalg.norm(gram - each * np.eye(K)) / np.linalg.norm(gram)
            for each in np.linspace(0, 2 * np.trace(gram) / K, 2001)
        )
        assert unitary_distance(np.linalg.svd(W, compute_uv=False)) == pytest.approx(twin, abs=1e-5)


class TestDivergence:
    """From 0 for equal patterns to sqrt(M - 1) for patterns without a common pair."""

    def test_extremes(self) -> None:
        one = np.random.default_rng(0).uniform(1, 2, (3, 3))
        assert pattern_divergence(np.stack([one] * 4)) == pytest.approx(0)
        assert pattern_divergence(one[None]) == pytest.approx(0)
        assert pattern_divergence(np.eye(4).reshape(4, 2, 2)) == pytest.approx(np.sqrt(3))
        assert np.isnan(pattern_divergence(np.zeros((2, 3, 3))))

    def test_pairs_without_a_map_do_not_enter(self) -> None:
        norms = np.random.default_rng(0).uniform(1, 2, (2, 3, 3))
        holed = norms.copy()
        holed[:, [0, 1, 2], [0, 1, 2]] = np.nan
        off = ~np.eye(3, dtype=bool)
        assert pattern_divergence(holed) == pytest.approx(pattern_divergence(norms[:, off][:, None]))


def test_a_checkpoints_patterns_are_the_norms_of_its_blocks() -> None:
    tables = table_set([9, 8, 5], 2, 3, seed=0)
    frame = interaction_patterns(tables)
    assert len(frame) == 3 * 9
    for row in frame.itertuples():
        maps = next(each for each in tables.layer(0) if each.set == row.set)
        A = maps.map(tables.fields.index(row.source), tables.fields.index(row.target))
        assert A is not None
        assert row.norm == pytest.approx(np.linalg.norm(A))
        assert row.unitary_distance == pytest.approx(unitary_distance(np.linalg.svd(A, compute_uv=False)))
    assert frame.attrs["divergence"] == pattern_divergence(frame["norm"].to_numpy().reshape(3, 3, 3))
    with pytest.raises(CollapseError, match="no field maps"):
        interaction_patterns(tables, layer=9)
