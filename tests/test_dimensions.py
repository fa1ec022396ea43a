"""Numbers of directions in a spectrum: the extremes in the docstrings, and relations between measures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from collapse.measures.abundance import abundance_of_spectrum
from collapse.measures.dimensions import (
    bulk_median,
    directions_above_bulk,
    directions_for_energy,
    effective_rank,
    first_direction_fraction,
    participation_ratio,
    stable_rank,
)
from collapse.measures.random_matrix import random_spectra
from tests.strategies import Known, known_tables

COUNTS = [abundance_of_spectrum, effective_rank, stable_rank, participation_ratio]


@given(aspect=st.floats(1e-4, 0.99) | st.just(1.0))
def test_the_bulk_has_its_median_where_its_density_says(aspect: float) -> None:
    """Half of the Marchenko-Pastur density lies below it."""
    low, high = (1 - np.sqrt(aspect)) ** 2, (1 + np.sqrt(aspect)) ** 2

    def density(t: float) -> float:
        # x = low + (high - low) sin^2 t takes the root singularities away.
        x = low + (high - low) * np.sin(t) ** 2
        return float(((high - low) * np.sin(2 * t)) ** 2 / (4 * np.pi * aspect * x)) if x else 0.0

    angle = np.arcsin(np.sqrt((bulk_median(aspect) - low) / (high - low)))
    assert integrate.quad(density, 0, angle)[0] == pytest.approx(0.5, abs=1e-7)
    assert integrate.quad(density, 0, np.pi / 2)[0] == pytest.approx(1, abs=1e-7)


class TestCounts:
    """Every count is 1 at rank one, R for R equal singular values, and 0 for zeros."""

    @pytest.mark.parametrize("count", COUNTS)
    def test_extremes(self, count) -> None:  # type: ignore[no-untyped-def]
        assert count(np.full(7, 3.0)) == pytest.approx(7)
        assert count(np.array([5.0, 0, 0])) == pytest.approx(1)
        assert count(np.zeros(3)) == 0

    @given(known_tables(), st.integers(-300, 300))
    def test_scaling_changes_nothing_and_bounds_hold(self, known: Known, exponent: int) -> None:
        for count in COUNTS:
            found = float(count(known.sigma))
            assert 1 - 1e-12 <= found <= len(known.sigma) * (1 + 1e-12)
            assert float(count(known.sigma * 10.0**exponent)) == pytest.approx(found, rel=1e-9)

    @given(known_tables())
    def test_their_order(self, known: Known) -> None:
        """IA >= stable rank, and the values sigma^2 are never more evenly spread than sigma."""
        assert stable_rank(known.sigma) <= abundance_of_spectrum(known.sigma) + 1e-12
        assert stable_rank(known.sigma) <= participation_ratio(known.sigma) + 1e-9
        assert participation_ratio(known.sigma) <= effective_rank(known.sigma) + 1e-9

    @given(known_tables())
    def test_they_are_their_definitions(self, known: Known) -> None:
        energy = known.sigma**2
        assert effective_rank(known.sigma) == pytest.approx(np.exp(stats.entropy(known.sigma)))
        assert stable_rank(known.sigma) == pytest.approx(np.sum(known.E**2) / np.linalg.norm(known.E, 2) ** 2)
        gram = known.E.T @ known.E
        assert participation_ratio(known.sigma) == pytest.approx(np.trace(gram) ** 2 / np.trace(gram @ gram))
        assert first_direction_fraction(known.sigma) == pytest.approx(energy.max() / energy.sum())

    def test_a_batch_is_measured_at_once(self) -> None:
        sigma = np.array([[4.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
        np.testing.assert_array_equal(stable_rank(sigma), [1.25, 0])
        np.testing.assert_array_equal(directions_for_energy(sigma), [2, 0])
        np.testing.assert_array_equal(first_direction_fraction(sigma), [0.8, 0])
        assert directions_above_bulk(sigma, 30, 3).shape == (2,)


class TestDirectionsForEnergy:
    """The smallest number of directions that hold a fraction of the energy."""

    @given(known_tables(), st.floats(0.01, 1))
    def test_they_are_the_least(self, known: Known, fraction: float) -> None:
        energy = np.sort(known.sigma**2)[::-1]
        k = int(directions_for_energy(known.sigma, fraction=fraction))
        assert 1 <= k <= len(energy)
        assert energy[:k].sum() >= fraction * energy.sum() * (1 - 1e-12)
        assert energy[: k - 1].sum() < fraction * energy.sum() * (1 + 1e-12)

    def test_extremes(self) -> None:
        assert directions_for_energy(np.ones(7), fraction=1.0) == 7
        assert directions_for_energy(np.array([5.0, 0, 0])) == 1
        assert directions_for_energy(np.zeros(3)) == 0


class TestAboveTheBulk:
    """Directions that stand out from noise of the table's shape."""

    @pytest.mark.parametrize(("D", "K"), [(100_000, 10), (2000, 400), (300, 300), (50, 400)])
    def test_noise_has_none_but_for_fluctuations(self, D: int, K: int) -> None:
        found = [int(directions_above_bulk(sigma, D, K)) for sigma in random_spectra(D, K, draws=40, seed=0)]
        assert np.mean(found) < 0.5

    @pytest.mark.parametrize("signals", [1, 3, 8])
    def test_signals_are_counted(self, signals: int) -> None:
        """A signal of strength s shows above the bulk if s > (D K)^1/4 (Baik, Ben Arous and Peche)."""
        D, K = 3000, 60
        generator = np.random.default_rng(0)
        U, V = (np.linalg.qr(generator.standard_normal((size, signals))).Q for size in (D, K))
        E = generator.standard_normal((D, K)) + 6 * (D * K) ** 0.25 * U @ V.T
        assert abs(directions_above_bulk(np.linalg.svd(E, compute_uv=False), D, K) - signals) <= 1

    def test_extremes(self) -> None:
        """There are none if all values are equal or the median is zero, and never more than half."""
        assert directions_above_bulk(np.ones(8), 1000, 8) == 0
        assert directions_above_bulk(np.array([5.0, 0, 0]), 30, 3) == 0
        assert directions_above_bulk(np.array([1e9, 1e9, 1e9, 1, 1, 1.0]), 10**6, 6) == 3
