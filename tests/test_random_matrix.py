"""The random baseline: Bartlett's factor has the law of a plain draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse.analysis.measures.abundance import abundance_of_spectrum
from collapse.analysis.measures.random_matrix import bartlett_factors, random_abundance


def plain_draws(D: int, K: int, draws: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:
    """Decompose whole random matrices: the slow twin."""
    matrices = np.random.default_rng(seed).standard_normal((draws, D, K))
    return abundance_of_spectrum(np.linalg.svd(matrices, compute_uv=False))


@given(D=st.integers(1, 60), K=st.integers(1, 12))
@settings(max_examples=25)
def test_its_mean_is_that_of_plain_draws(D: int, K: int) -> None:
    """Within five standard errors of the difference, D < K included."""
    draws = 400
    plain = plain_draws(D, K, draws, seed=1)
    error = plain.std() * np.sqrt(2 / draws)
    assert abs(random_abundance(D, K, draws=draws, seed=2).mean - plain.mean()) <= 5 * error + 1e-12


def test_the_whole_spectrum_has_the_law_of_plain_draws() -> None:
    """Each mean singular value within five standard errors."""
    draws, D, K = 2000, 30, 5
    plain = np.linalg.svd(np.random.default_rng(3).standard_normal((draws, D, K)), compute_uv=False)
    ours = np.linalg.svd(bartlett_factors(D, K, draws=draws, seed=4), compute_uv=False)
    error = plain.std(axis=0) * np.sqrt(2 / draws)
    assert (np.abs(ours.mean(axis=0) - plain.mean(axis=0)) < 5 * error).all()


@given(D=st.integers(1, 10**6), K=st.integers(1, 40), seed=st.integers(0, 9))
def test_band_bounds_and_symmetry(D: int, K: int, seed: int) -> None:
    found = random_abundance(D, K, draws=16, seed=seed)
    assert 1 - 1e-12 <= found.low <= found.mean <= found.high <= min(D, K) + 1e-9
    assert found == random_abundance(K, D, draws=16, seed=seed)


def test_extremes() -> None:
    """1 for a single row or column, near min(D, K) where the sizes are far apart."""
    assert random_abundance(1, 9).mean == pytest.approx(1)
    assert random_abundance(9, 1).mean == pytest.approx(1)
    assert random_abundance(10**7, 10).mean == pytest.approx(10, rel=1e-2)


@pytest.mark.parametrize(("D", "K", "draws"), [(0, 3, 4), (3, 0, 4), (3, 3, 0)])
def test_nothing_to_draw_is_refused(D: int, K: int, draws: int) -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        random_abundance(D, K, draws=draws)
