"""Measures of the rows: norms near zero, and similarity of directions."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from collapse.measures.rows import row_measures
from tests.strategies import Known, known_tables, orthonormal


@given(known_tables(max_rows=40), st.floats(1e-4, 1))
def test_they_are_their_definitions(known: Known, tolerance: float) -> None:
    """Computed pair by pair."""
    norms = np.linalg.norm(known.E, axis=1)
    found = row_measures(known.E, tolerance=tolerance)
    twin = np.mean(norms < tolerance * norms.max())
    near = np.mean(np.abs(norms / (tolerance * norms.max()) - 1) < 1e-9)
    assert abs(found.near_zero - twin) <= near
    rows = [row / norm for row, norm in zip(known.E, norms, strict=True) if norm > 1e-12]
    cosines = [a @ b for a, b in combinations(rows, 2)]
    if (norms > 1e-12).all():
        assert found.anisotropy == pytest.approx(np.mean(cosines) if cosines else np.nan, abs=1e-9, nan_ok=True)


@given(known_tables(max_rows=600), st.integers(0, 99), st.integers(-1000, 1000))
def test_they_are_invariant(known: Known, seed: int, exponent: int) -> None:
    """For orthogonal maps of the columns, permutations of the rows, and scales from subnormal to huge."""
    D, K = known.E.shape
    moved = np.ldexp(known.E[np.random.default_rng(seed).permutation(D)] @ orthonormal(K, K, seed), exponent)
    assume((np.linalg.norm(known.E, axis=1) > 1e-12).all() and np.abs(moved).min() >= 1e-290)
    assert row_measures(moved).anisotropy == pytest.approx(row_measures(known.E).anisotropy, abs=1e-9, nan_ok=True)


class TestExtremes:
    """The extremes in the docstrings."""

    def test_near_zero(self) -> None:
        assert row_measures(np.sign(orthonormal(40, 3, 0))).near_zero == 0
        assert row_measures(np.zeros((4, 2))).near_zero == 1
        assert row_measures(np.array([[1.0, 0], [1e-4, 0], [0, 0], [0, 1e-2]])).near_zero == 0.5

    def test_anisotropy(self) -> None:
        assert row_measures(np.outer(np.arange(1, 6), [1.0, -2.0])).anisotropy == pytest.approx(1)
        assert row_measures(
            np.array([[1.0, 0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
        ).anisotropy == pytest.approx(-1 / 2)
        E = np.random.default_rng(0).standard_normal((3000, 8))
        assert abs(row_measures(E).anisotropy) < 0.01
        assert np.isnan(row_measures(np.array([[1.0, 2.0], [0.0, 0.0]])).anisotropy)

    def test_rows_of_weight_zero_do_not_enter(self) -> None:
        E = np.random.default_rng(0).standard_normal((5000, 4)) + 1
        weights = np.arange(5000) % 3
        ours, twin = row_measures(E, weights=weights), row_measures(E[weights > 0])
        assert ours.near_zero == twin.near_zero
        assert ours.anisotropy == pytest.approx(twin.anisotropy)

    def test_nan_is_refused_with_its_row(self) -> None:
        E = np.ones((5000, 3))
        E[4321, 1] = np.nan
        with pytest.raises(ValueError, match="row 4321 holds NaN"):
            row_measures(E)


class TestUntouched:
    """Rows with the norm of an initialisation, where others have changed."""

    random = np.random.default_rng(0)

    def found(self, *parts: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> int:
        return row_measures(np.concatenate(parts)).untouched

    @pytest.mark.parametrize("scale", [1e-4, 1, 1e4])
    def test_they_are_counted(self, scale: float) -> None:
        normal = self.random.standard_normal((4000, 16))
        assert self.found(scale * normal, 10 * scale * normal[:500]) == pytest.approx(4000, rel=0.03)
        uniform = self.random.uniform(-scale, scale, (4000, 16))
        assert self.found(uniform, 5 * uniform[:500], np.zeros((9, 16))) == pytest.approx(4000, rel=0.03)

    def test_where_all_rows_are_alike_none_looks_untouched(self) -> None:
        normal = self.random.standard_normal((4000, 16))
        norms = np.linalg.norm(normal, axis=1, keepdims=True)
        for E in (normal, normal / norms, normal * np.exp(norms), self.random.standard_t(5, (4000, 16))):
            assert self.found(E) == 0

    def test_rows_that_were_clipped_to_a_norm_do_not_count(self) -> None:
        normal = self.random.standard_normal((4000, 16))
        clipped = normal / np.linalg.norm(normal, axis=1, keepdims=True)
        assert self.found(clipped, 0.1 * clipped[:500]) == 0

    def test_where_the_counts_are_known_none_is_guessed(self) -> None:
        normal = self.random.standard_normal((4000, 16))
        E = np.concatenate([normal, 10 * normal[:500]])
        assert row_measures(E, counts=np.ones(4500)).untouched == 0
