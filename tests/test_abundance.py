"""Information abundance: its bounds, its invariances and the paper's examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.measures.abundance import (
    abundance_of_spectrum,
    information_abundance,
    normalised_spectrum,
)
from tests.strategies import Known, known_tables, orthonormal


class TestBounds:
    """1 <= IA <= min(D, K), with equality exactly at rank one and at equal singular values."""

    @given(known_tables())
    def test_bounds(self, known: Known) -> None:
        assert 1 - 1e-12 <= information_abundance(known.E) <= min(known.E.shape) + 1e-9

    @given(known_tables())
    def test_the_lower_one_is_rank_one_alone(self, known: Known) -> None:
        is_rank_one = bool((known.sigma[1:] < 1e-13).all())
        assert (information_abundance(known.E) < 1 + 1e-9) == is_rank_one

    @given(known_tables())
    def test_the_upper_one_is_equal_singular_values_alone(self, known: Known) -> None:
        are_equal = bool(np.ptp(known.sigma) < 1e-9)
        assert (information_abundance(known.E) > min(known.E.shape) - 1e-8) == are_equal

    @pytest.mark.parametrize("D", [3, 4000])
    def test_zeros_have_none(self, D: int) -> None:
        assert information_abundance(np.zeros((D, 3))) == 0


@given(known_tables(), st.integers(0, 99), st.floats(-1e6, 1e6).filter(lambda scale: abs(scale) > 1e-6))
def test_it_is_invariant(known: Known, seed: int, scale: float) -> None:
    """Under orthogonal maps of the columns, permutations of the rows, and scaling."""
    D, K = known.E.shape
    moved = scale * known.E[np.random.default_rng(seed).permutation(D)] @ orthonormal(K, K, seed)
    assert information_abundance(moved) == pytest.approx(information_abundance(known.E), rel=1e-9)


@given(known_tables())
def test_it_is_the_definition(known: Known) -> None:
    """||sigma||_1 / ||sigma||_inf of Definition 3.1, by a float64 SVD."""
    sigma = np.linalg.svd(known.E, compute_uv=False)
    assert information_abundance(known.E) == pytest.approx(sigma.sum() / sigma.max(), rel=1e-10)


def test_appendix_f() -> None:
    """A copied set leaves IA at 2, a diverse one raises it to 1 + sqrt 2."""
    E_1 = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=float)
    E_2 = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=float)
    assert information_abundance(E_1) == pytest.approx(2)
    assert information_abundance(np.hstack([E_1, E_1])) == pytest.approx(2)
    assert information_abundance(np.hstack([E_1, E_2])) == pytest.approx(1 + np.sqrt(2))


class TestSpectrum:
    """What is read off singular values."""

    @given(known_tables())
    def test_normalised_from_one_down(self, known: Known) -> None:
        normalised = normalised_spectrum(known.sigma)
        assert normalised[0] == 1
        assert (normalised >= 0).all()
        assert (np.diff(normalised) <= 0).all()

    def test_the_largest_doubles_do_not_overflow(self) -> None:
        assert abundance_of_spectrum(np.full(4, 1.7e308)) == 4

    def test_a_batch_is_measured_at_once(self) -> None:
        sigma = np.array([[4.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
        np.testing.assert_array_equal(abundance_of_spectrum(sigma), [1.5, 0.0])


@pytest.mark.parametrize("D", [3, 4000])
def test_the_largest_doubles_of_a_table_do_not_overflow(D: int) -> None:
    E = np.full((D, 2), 1.7e308)
    E[::2, 1] *= -1
    twin = information_abundance(E / 1e308)
    assert information_abundance(E) == pytest.approx(twin)
    assert twin > 1
