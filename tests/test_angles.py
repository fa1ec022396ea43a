"""Principal angles and diversity: extremes, symmetry, invariance, and where Appendix F errs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import subspace_angles

from collapse.analysis.measures.angles import diversity, principal_cosines
from tests.strategies import orthonormal

sets = st.tuples(st.integers(1, 40), st.integers(1, 6), st.integers(0, 999))


def pair(D: int, K: int, seed: int) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], ...]:
    """Draw two sets of one field."""
    generator = np.random.default_rng(seed)
    return generator.standard_normal((D, K)), generator.standard_normal((D, K))


class TestDiversity:
    """div = 1 - ||cos||_1 / K."""

    @given(sets)
    def test_it_lies_between_0_and_1_and_is_symmetric(self, drawn: tuple[int, int, int]) -> None:
        A, B = pair(*drawn)
        for divisor in ("K", "rank"):
            assert -1e-12 <= diversity(A, B, divisor=divisor) <= 1
        assert diversity(A, B) == pytest.approx(diversity(B, A), abs=1e-12)

    @given(sets)
    def test_it_is_0_for_the_same_span(self, drawn: tuple[int, int, int]) -> None:
        """With the divisor min(D, K); the paper's gives 1 - D / K where D < K."""
        D, K, seed = drawn
        A, _ = pair(D, K, seed)
        same = A @ (orthonormal(K, K, seed) * np.linspace(1, 2, K))
        assert diversity(A, same, divisor="rank") == pytest.approx(0, abs=1e-12)
        assert diversity(A, same) == pytest.approx(max(0, 1 - D / K), abs=1e-12)

    @given(K=st.integers(1, 6), more=st.integers(0, 20), seed=st.integers(0, 999))
    def test_it_is_1_for_orthogonal_spans(self, K: int, more: int, seed: int) -> None:
        U = orthonormal(2 * K + more, 2 * K, seed)
        assert diversity(U[:, :K], U[:, K:]) == pytest.approx(1, abs=1e-12)

    @given(sets)
    def test_invertible_maps_of_a_sets_columns_change_nothing(self, drawn: tuple[int, int, int]) -> None:
        D, K, seed = drawn
        A, B = pair(D, K, seed)
        mapped = B @ (orthonormal(K, K, seed) * np.linspace(1, 3, K))
        np.testing.assert_allclose(principal_cosines(A, mapped), principal_cosines(A, B), atol=1e-10)

    def test_sets_of_other_shapes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="one shape"):
            diversity(np.ones((3, 2)), np.ones((3, 1)))


class TestPrincipalCosines:
    """The singular values of U_A^T U_B."""

    @given(D=st.integers(8, 60), K=st.integers(1, 4), L=st.integers(1, 4), seed=st.integers(0, 999))
    def test_they_are_scipys_angles(self, D: int, K: int, L: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        A, B = generator.standard_normal((D, K)), generator.standard_normal((D, L))
        twin = np.sort(np.cos(subspace_angles(A, B)))[::-1]
        np.testing.assert_allclose(principal_cosines(A, B), twin, atol=1e-12)

    def test_appendix_f(self) -> None:
        """(1, 1) for a copied set, (1, 0) for the diverse one."""
        E_1 = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=float)
        E_2 = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=float)
        np.testing.assert_allclose(principal_cosines(E_1, E_1), [1, 1])
        np.testing.assert_allclose(principal_cosines(E_1, E_2), [1, 0], atol=1e-15)

    def test_the_rank_identity_of_appendix_f_fails_in_general(self) -> None:
        """Two lines at 45 degrees: rank [A, B] is 2, and not 1 + 1 - rank(U_A^T U_B) = 1."""
        A, B = np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]])
        cosines = principal_cosines(A, B)
        joint = np.linalg.matrix_rank(np.hstack([A, B]))
        assert joint == 2 != 1 + 1 - np.count_nonzero(cosines)
        assert joint == 1 + 1 - np.count_nonzero(cosines > 1 - 1e-12)

    @given(
        D=st.integers(2, 20),
        K=st.integers(1, 4),
        L=st.integers(1, 4),
        common=st.integers(0, 4),
        seed=st.integers(0, 99),
    )
    def test_the_rank_identity_that_holds(self, D: int, K: int, L: int, common: int, seed: int) -> None:
        """It is rank [A, B] = rank A + rank B - #{cos = 1}."""
        generator = np.random.default_rng(seed)
        A, B = generator.standard_normal((D, K)), generator.standard_normal((D, L))
        shared = min(common, K, L)
        B[:, :shared] = A[:, :shared]
        ranks = [np.linalg.matrix_rank(M) for M in (A, B, np.hstack([A, B]))]
        assert ranks[2] == ranks[0] + ranks[1] - np.count_nonzero(principal_cosines(A, B) > 1 - 1e-9)

    def test_a_direction_that_is_lacking_makes_no_angle(self) -> None:
        """Rank one in two columns: one cosine of 1, and a 0."""
        A = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
        np.testing.assert_allclose(principal_cosines(A, A), [1, 0], atol=1e-15)
        assert not principal_cosines(np.zeros((3, 2)), A).any()

    def test_bad_input_is_refused(self) -> None:
        with pytest.raises(ValueError, match="the same rows"):
            principal_cosines(np.ones((3, 2)), np.ones((4, 2)))
        with pytest.raises(ValueError, match="NaN"):
            principal_cosines(np.full((3, 2), np.nan), np.ones((3, 2)))
