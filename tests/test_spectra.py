"""Singular values by two streaming passes equal a float64 SVD."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.analysis.measures import spectra as module
from collapse.analysis.measures.spectra import factor, singular_values
from tests.strategies import Known, known_tables, orthonormal, table_of_spectrum


@given(known_tables())
def test_they_equal_a_float64_svd(known: Known) -> None:
    """The slow twin is LAPACK on the whole table."""
    twin = np.linalg.svd(known.E, compute_uv=False)
    np.testing.assert_allclose(singular_values(known.E), twin, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(singular_values(known.E), known.sigma, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(("D", "K"), [(3000, 10), (20_000, 40), (5000, 100)])
def test_the_tail_is_right_to_1e_9_at_a_millionth_of_the_largest(D: int, K: int) -> None:
    E = table_of_spectrum(D, K, np.geomspace(1, 1e-6, K), seed=0)
    np.testing.assert_allclose(singular_values(E), np.linalg.svd(E, compute_uv=False), rtol=1e-9)


@given(known_tables(), st.integers(1, 20), st.integers(0, 99))
def test_the_factor_stands_for_the_table_under_every_map(known: Known, columns: int, seed: int) -> None:
    """R A has the singular values of E A."""
    D, K = known.E.shape
    R = factor(known.E)
    assert R.shape == (min(D, K), K)
    A = np.random.default_rng(seed).standard_normal((K, columns))
    ours, twin = (np.linalg.svd(M @ A, compute_uv=False) for M in (R, known.E))
    np.testing.assert_allclose(ours, twin[: len(ours)], rtol=1e-9, atol=1e-12)


@given(known_tables(), st.integers(0, 99))
def test_orthogonal_maps_of_the_columns_and_permutations_of_the_rows_change_nothing(
    known: Known, seed: int
) -> None:
    D, K = known.E.shape
    rotated = known.E[np.random.default_rng(seed).permutation(D)] @ orthonormal(K, K, seed)
    np.testing.assert_allclose(singular_values(rotated), singular_values(known.E), rtol=1e-8, atol=1e-13)


@given(known_tables(), st.integers(-1030, 1000))
def test_scaling_scales(known: Known, exponent: int) -> None:
    """By powers of two from subnormal to huge, where squares under- and overflow."""
    scaled = np.ldexp(known.E, exponent)
    twin = np.ldexp(singular_values(known.E), exponent)
    floor = 16 * np.finfo(np.float64).smallest_subnormal * known.E.size
    np.testing.assert_allclose(singular_values(scaled), twin, rtol=1e-8, atol=1e-13 * twin[0] + floor)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("D", [5, 700, 5000])
def test_every_floating_type_is_decomposed_in_float64(dtype: type[Any], D: int) -> None:
    E = table_of_spectrum(D, 8, np.geomspace(1, 1e-3, min(D, 8)), seed=0).astype(dtype)
    twin = np.linalg.svd(E.astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(singular_values(E), twin, rtol=1e-10)


@given(known_tables(), st.sampled_from([1, 70, 5000, 10**6]))
def test_chunks_change_nothing_beyond_rounding(known: Known, entries: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK_ENTRIES", entries)
        patch.setattr(module, "_DIRECT_ROWS", 0)
        np.testing.assert_allclose(singular_values(known.E), known.sigma, rtol=1e-8, atol=1e-13)


def test_the_same_table_gives_the_same_bits() -> None:
    E = np.random.default_rng(0).standard_normal((20_000, 12)).astype(np.float32)
    assert singular_values(E).tobytes() == singular_values(E).tobytes()


def test_a_memory_mapped_file_works_as_it_is(tmp_path: Path) -> None:
    E = np.random.default_rng(0).standard_normal((4000, 6)).astype(np.float32)
    np.save(tmp_path / "E.npy", E)
    mapped = np.load(tmp_path / "E.npy", mmap_mode="r")
    np.testing.assert_array_equal(singular_values(mapped), singular_values(E))


class TestExtremes:
    """What the docstrings name."""

    @pytest.mark.parametrize("D", [3, 5000])
    def test_a_table_of_zeros(self, D: int) -> None:
        assert not singular_values(np.zeros((D, 4))).any()

    def test_duplicate_columns_leave_rounding_alone(self) -> None:
        E = np.random.default_rng(0).standard_normal((5000, 6))
        sigma = singular_values(np.hstack([E, E]))
        np.testing.assert_allclose(sigma[:6], np.sqrt(2) * np.linalg.svd(E, compute_uv=False))
        assert sigma[6:].max() < 1e-13 * sigma[0]

    @pytest.mark.parametrize("D", [3, 100, 5000])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_nan_and_infinity_are_refused_with_their_row(self, D: int, value: float) -> None:
        E = np.ones((D, 3), dtype=np.float32)
        E[D - 2, 1] = value
        with pytest.raises(ValueError, match=f"row {D - 2} holds NaN or infinity"):
            singular_values(E)

    @pytest.mark.parametrize("E", [np.zeros(3), np.zeros((0, 3)), np.zeros((3, 0)), np.ones((3, 3), dtype=int)])
    def test_what_is_no_table_is_refused(self, E: np.ndarray[Any, Any]) -> None:
        with pytest.raises(ValueError, match="a table"):
            singular_values(E)
