"""Principal angles and diversity: extremes, symmetry, invariance, and the error in Appendix F."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import subspace_angles

from collapse.measures.angles import ColumnSpaces, diversity, principal_angles, principal_cosines
from collapse.measures.precision import machine_epsilon, rounding_noise
from collapse.measures.random_matrix import random_diversity
from tests.strategies import orthonormal, table_of_spectrum


def svd_cosines(A: NDArray[Any], B: NDArray[Any]) -> NDArray[Any]:
    """Multiply float64 bases of full rank: a slow reference."""
    bases = [np.linalg.svd(X, full_matrices=False)[0] for X in (A, B)]
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)


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
        """With the divisor min(D, K). The paper's divisor gives 1 - D / K where D < K."""
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
        with pytest.raises(ValueError, match="the same shape"):
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
        """The cosines are (1, 1) for a copied set and (1, 0) for a different one."""
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
        """Rank one in two columns gives one cosine of 1 and a 0."""
        A = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
        np.testing.assert_allclose(principal_cosines(A, A), [1, 0], atol=1e-15)
        assert not principal_cosines(np.zeros((3, 2)), A).any()

    def test_two_sets_of_zeros_have_no_angle(self) -> None:
        assert not principal_cosines(np.zeros((3, 2)), np.zeros((3, 2))).any()
        assert principal_angles(np.zeros((3, 2)), np.zeros((3, 2))).shape == (0,)

    @pytest.mark.parametrize(("D", "K"), [(600, 8), (5000, 8), (40, 8)])
    def test_deep_sets_agree_with_a_float64_svd(self, D: int, K: int) -> None:
        """Singular values go down to 1e-8 of the largest: cosines are correct to 1e-8, where float32 SVDs fail."""
        A = table_of_spectrum(D, K, np.geomspace(1, 1e-8, K), seed=0)
        B = table_of_spectrum(D, K, np.geomspace(1, 1e-8, K), seed=5) + 0.5 * A
        np.testing.assert_allclose(principal_cosines(A, B), svd_cosines(A, B), atol=1e-8)

    @pytest.mark.parametrize("exponent", [-1000, -300, 300, 1000])
    def test_scales_change_nothing(self, exponent: int) -> None:
        A, B = pair(600, 4, 0)
        np.testing.assert_allclose(
            principal_cosines(np.ldexp(A, exponent), B), principal_cosines(A, B), atol=1e-12
        )

    def test_complex_sets_are_refused(self) -> None:
        with pytest.raises(ValueError, match="floating-point"):
            principal_cosines(np.ones((3, 2), dtype=complex), np.ones((3, 2)))

    def test_bad_input_is_refused(self) -> None:
        with pytest.raises(ValueError, match="same number of rows"):
            principal_cosines(np.ones((3, 2)), np.ones((4, 2)))
        with pytest.raises(ValueError, match="NaN"):
            principal_cosines(np.full((3, 2), np.nan), np.ones((3, 2)))


class TestRankDeficientSets:
    """Directions that only come from rounding do not count."""

    @given(
        D=st.sampled_from([12, 60, 700, 3000]),
        rank=st.integers(1, 9),
        dtype=st.sampled_from([np.float16, np.float32, np.float64]),
        seed=st.integers(0, 999),
    )
    def test_a_set_against_itself(self, D: int, rank: int, dtype: type[Any], seed: int) -> None:
        """A set of rank 3 in ten columns has diversity 1 - 3 / 10 with itself, for every dtype."""
        generator = np.random.default_rng(seed)
        A = (generator.standard_normal((D, rank)) @ generator.standard_normal((rank, 10))).astype(dtype)
        spectrum = np.linalg.svd(A.astype(float), compute_uv=False)
        noise = rounding_noise(spectrum, D, 10, eps=machine_epsilon(dtype))
        if rank <= D and spectrum[rank - 1] > 10 * noise:
            assert diversity(A, A) == pytest.approx(1 - rank / 10, abs=1e-9)

    def test_unrelated_ones(self) -> None:
        """Rounding to float32 changes nothing.

        With the limit max(D, K) eps sigma_1, it changed the median by 0.10.
        """
        generator = np.random.default_rng(0)
        A, B = (generator.standard_normal((50, 3)) @ generator.standard_normal((3, 10)) for _ in range(2))
        rounded = diversity(A.astype(np.float32), B.astype(np.float32))
        assert rounded == pytest.approx(diversity(A, B), abs=1e-6)


class TestPrincipalAngles:
    """Small angles are computed from the sine."""

    @given(
        D=st.sampled_from([12, 700, 3000]),
        exponents=st.lists(st.floats(-9, 0), min_size=1, max_size=4),
        seed=st.integers(0, 99),
    )
    @example(D=12, exponents=[-1.0, -7.0, -7.0], seed=0)
    def test_known_angles(self, D: int, exponents: list[float], seed: int) -> None:
        angles = np.sort(np.pi / 2 * 10.0 ** np.array(exponents))
        K = len(angles)
        U = orthonormal(D, 2 * K, seed)
        B = U[:, :K] * np.cos(angles) + U[:, K:] * np.sin(angles)
        mixed = B @ (orthonormal(K, K, seed) * np.linspace(1, 2, K))
        np.testing.assert_allclose(principal_angles(U[:, :K], mixed), angles, rtol=1e-5, atol=1e-13)

    @given(D=st.integers(9, 60), K=st.integers(1, 4), L=st.integers(1, 4), seed=st.integers(0, 999))
    def test_they_are_scipys(self, D: int, K: int, L: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        A, B = generator.standard_normal((D, K)), generator.standard_normal((D, L))
        np.testing.assert_allclose(principal_angles(A, B), np.sort(subspace_angles(A, B)), atol=1e-10)


class TestColumnSpaces:
    """All pairs of several sets at once."""

    @pytest.mark.parametrize("D", [30, 4000])
    def test_every_pair_is_a_float64_svd(self, D: int) -> None:
        generator = np.random.default_rng(0)
        sets = [generator.standard_normal((D, K)) for K in (3, 5, 4, 5)]
        spaces = ColumnSpaces(sets)
        for m, n in product(range(4), repeat=2):
            np.testing.assert_allclose(spaces.cosines(m, n), svd_cosines(sets[m], sets[n]), atol=1e-12)

    def test_torch_sets(self) -> None:
        A, B = (torch.from_numpy(X) for X in pair(900, 4, 0))
        np.testing.assert_allclose(principal_cosines(A, B), svd_cosines(A.numpy(), B.numpy()), atol=1e-12)


@pytest.mark.parametrize(("D", "K"), [(3, 5), (5, 5), (7, 5), (10, 5), (200, 5), (1, 1), (2, 1)])
def test_the_random_reference_has_the_mean_of_plain_draws(D: int, K: int) -> None:
    draws = 400
    generator = np.random.default_rng(0)
    plain = [diversity(*generator.standard_normal((2, D, K))) for _ in range(draws)]
    error = np.std(plain) * np.sqrt(2 / draws)
    assert abs(random_diversity(D, K, draws=draws) - np.mean(plain)) <= 5 * error + 1e-9


def test_an_unknown_divisor_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 'K' or 'rank'"):
        diversity(np.ones((3, 2)), np.ones((3, 2)), divisor="D")  # type: ignore[arg-type]
