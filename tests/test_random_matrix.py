"""The random baseline: the bidiagonal draw has the distribution of a plain one, and of Bartlett's factor."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse.measures.abundance import abundance_of_spectrum
from collapse.measures.random_matrix import (
    RandomMean,
    expected_abundance,
    random_abundance,
    random_spectra,
    weighted_random_abundance,
)


def plain_draws(D: int, K: int, draws: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:
    """Decompose complete random matrices: the slow reference."""
    matrices = np.random.default_rng(seed).standard_normal((draws, D, K))
    return abundance_of_spectrum(np.linalg.svd(matrices, compute_uv=False))


@given(D=st.integers(1, 60), K=st.integers(1, 12))
@settings(max_examples=settings().max_examples // 2)
def test_its_mean_is_that_of_plain_draws(D: int, K: int) -> None:
    """Within five standard errors of the difference, including D < K."""
    draws = 400
    plain = plain_draws(D, K, draws, seed=1)
    error = plain.std() * np.sqrt(2 / draws)
    assert abs(random_abundance(D, K, draws=draws, seed=2).mean - plain.mean()) <= 5 * error + 1e-12


def test_the_whole_spectrum_has_the_law_of_plain_draws() -> None:
    """Each mean singular value agrees within five standard errors."""
    draws, D, K = 2000, 30, 5
    plain = np.linalg.svd(np.random.default_rng(3).standard_normal((draws, D, K)), compute_uv=False)
    ours = np.stack(list(random_spectra(D, K, draws=draws, seed=4)))
    error = plain.std(axis=0) * np.sqrt(2 / draws)
    assert (np.abs(ours.mean(axis=0) - plain.mean(axis=0)) < 5 * error).all()


@pytest.mark.parametrize(("D", "K"), [(100_000, 20), (40, 40), (7, 3)])
def test_it_has_the_law_of_bartletts_factor(D: int, K: int) -> None:
    """Means and spreads of all singular values agree.

    The factor needs no D rows, so long tables are tested too.
    """
    draws = 600
    generator = np.random.default_rng(5)
    factors = np.triu(generator.standard_normal((draws, K, K)), 1)
    factors[:, np.arange(K), np.arange(K)] = np.sqrt(generator.chisquare(D - np.arange(K), (draws, K)))
    twin = np.linalg.svd(factors, compute_uv=False)
    ours = np.stack(list(random_spectra(D, K, draws=draws, seed=6)))
    error = twin.std(axis=0) * np.sqrt(2 / draws)
    assert (np.abs(ours.mean(axis=0) - twin.mean(axis=0)) < 5 * error).all()
    np.testing.assert_allclose(ours.std(axis=0), twin.std(axis=0), rtol=0.2)


class TestWeightedRows:
    """Few rows are drawn one by one, many small ones as a Wishart matrix."""

    @pytest.mark.parametrize("D", [5, 40, 3000])
    def test_it_has_the_mean_of_plain_draws(self, D: int) -> None:
        draws, K = 300, 4
        weights = 1 / np.arange(1, D + 1) ** 0.5
        matrices = np.random.default_rng(0).standard_normal((draws, D, K)) * np.sqrt(weights)[:, None]
        plain = abundance_of_spectrum(np.linalg.svd(matrices, compute_uv=False))
        ours = weighted_random_abundance(weights, K, draws=draws, seed=1)
        assert abs(ours.mean - plain.mean()) < 5 * plain.std() * np.sqrt(2 / draws)

    def test_equal_weights_are_none(self) -> None:
        ours, twin = (
            weighted_random_abundance(np.full(2000, 3.0), 8, draws=400),
            random_abundance(2000, 8, draws=400),
        )
        assert ours.mean == pytest.approx(twin.mean, rel=2e-3)

    def test_rows_of_weight_zero_do_not_enter(self) -> None:
        weights = np.repeat([2.0, 0.0], 30)
        assert weighted_random_abundance(weights, 3) == weighted_random_abundance(weights[:30], 3)

    def test_nothing_to_draw_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least 1 and some weight positive"):
            weighted_random_abundance(np.zeros(3), 2)


def test_memory_does_not_grow_with_the_draws() -> None:
    """K = 4096 needs no (K, K) matrix, for any number of draws."""
    tracemalloc.start()
    for _ in random_spectra(10_000, 2000, draws=3, seed=0):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000**2 * 8 / 10


@given(D=st.integers(1, 10**6), K=st.integers(1, 40), seed=st.integers(0, 9))
def test_band_bounds_and_symmetry(D: int, K: int, seed: int) -> None:
    found = random_abundance(D, K, draws=16, seed=seed)
    assert 1 - 1e-12 <= found.p01 <= found.low <= found.mean <= found.high <= min(D, K) + 1e-9
    assert found == random_abundance(K, D, draws=16, seed=seed)


def test_extremes() -> None:
    """It is 1 for a single row or column, and near min(D, K) if D and K are very different."""
    assert random_abundance(1, 9).mean == pytest.approx(1)
    assert random_abundance(9, 1).mean == pytest.approx(1)
    assert random_abundance(10**7, 10).mean == pytest.approx(10, rel=1e-2)


@pytest.mark.parametrize(("D", "K", "draws"), [(0, 3, 4), (3, 0, 4), (3, 3, 0)])
def test_nothing_to_draw_is_refused(D: int, K: int, draws: int) -> None:
    with pytest.raises(ValueError, match="draws must be at least 1"):
        random_abundance(D, K, draws=draws)


@pytest.mark.parametrize(("D", "K"), [(3, 2), (4, 40), (30, 5), (500, 12)])
def test_the_interval_covers_what_it_says(D: int, K: int) -> None:
    """Of random matrices, 95 % are inside and 1 % are below the 1st percentile, over the draws of many seeds."""
    seeds, each = 60, 50
    bounds = [random_abundance(D, K, draws=199, seed=seed) for seed in range(seeds)]
    fresh = plain_draws(D, K, seeds * each, seed=10**6).reshape(seeds, each)
    inside = np.mean([(b.low <= new) & (new <= b.high) for b, new in zip(bounds, fresh, strict=True)])
    below = np.mean([new < b.p01 for b, new in zip(bounds, fresh, strict=True)])
    # Five standard errors of 3,000 matrices; the bounds of a seed are shared by 50 of them.
    assert inside == pytest.approx(0.95, abs=0.03)
    assert below == pytest.approx(0.01, abs=0.012)


@pytest.mark.parametrize(("D", "K"), [(9, 9), (9, 40), (12, 60), (40, 9), (60, 12), (40, 40), (100, 2), (1000, 5)])
def test_the_mean_of_one_shape_gives_that_of_others(D: int, K: int) -> None:
    """Where the formula is used, from half the rows to twice as many, its error is within 1.5 % of IA - 1."""
    known = RandomMean(mean=random_abundance(D, K, draws=2000).mean, D=D, K=K, seed=0)
    for rows, columns in ((D - 1, K), (D - 1, K - 1), (D // 2, K), (2 * D, K)):
        if min(rows, columns) >= 2:
            drawn = random_abundance(rows, columns, draws=2000, seed=1).mean
            assert known.of(rows, columns) - 1 == pytest.approx(drawn - 1, rel=0.015)


@pytest.mark.parametrize(("D", "K"), [(20, 20), (64, 16), (3000, 40)])
def test_the_formula_is_near_the_mean_over_draws(D: int, K: int) -> None:
    drawn = random_abundance(D, K, draws=1000).mean
    assert expected_abundance(D, K) == expected_abundance(K, D) == pytest.approx(drawn, rel=0.01)
