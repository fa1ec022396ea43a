"""Singular values from streaming passes equal a float64 SVD."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from collapse.measures.row_stream import RowStream
from collapse.measures.spectra import decompose, gram, singular_values
from tests.strategies import Known, known_tables, orthonormal, table_of_spectrum


@given(known_tables())
def test_they_equal_a_float64_svd(known: Known) -> None:
    """The slow reference is LAPACK on the whole table."""
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
    spectrum = decompose(known.E)
    R = spectrum.scale * spectrum.factor
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
    """By powers of two from subnormal to huge, where squares underflow and overflow."""
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


class InChunks(RowStream):
    """Rows in chunks of a given length."""

    def __init__(self, E: NDArray[Any], rows: int) -> None:
        super().__init__(E)
        self._rows = rows

    @property
    def rows_per_chunk(self) -> int:
        return self._rows


@given(known_tables(), st.sampled_from([1, 3, 70, 5000]), st.integers(1, 3))
def test_chunks_change_nothing_beyond_rounding(known: Known, rows: int, threads: int) -> None:
    K = known.E.shape[1]
    for basis in (np.eye(K), orthonormal(K, max(1, K - 1), 0)):
        found = gram(InChunks(known.E, rows), basis, threads=threads)
        np.testing.assert_allclose(found, (known.E @ basis).T @ (known.E @ basis), atol=1e-12)


@given(known_tables())
def test_the_vectors_are_orthonormal_and_belong_to_the_values(known: Known) -> None:
    spectrum = decompose(known.E)
    np.testing.assert_allclose(spectrum.V.T @ spectrum.V, np.eye(len(spectrum.values)), atol=1e-12)
    lengths = np.linalg.norm(known.E @ spectrum.V, axis=0)
    np.testing.assert_allclose(lengths, spectrum.sigma, rtol=1e-7, atol=1e-13)


class Counted:
    """A table that counts the rows read from it."""

    def __init__(self, E: NDArray[np.float64]) -> None:
        self._E, self.shape, self.dtype, self.rows = E, E.shape, E.dtype, 0

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        found = self._E[rows]
        self.rows += len(found)
        return found


class TestDeepSpectra:
    """Each pass resolves values a thousand times smaller."""

    @pytest.mark.parametrize(("lowest", "passes"), [(1e-2, 1), (1e-6, 2), (1e-9, 3)])
    def test_passes(self, lowest: float, passes: int) -> None:
        E = Counted(table_of_spectrum(5000, 20, np.geomspace(1, lowest, 20), seed=0))
        # What is above is right to 1e-9; below 1e-6 rounding of float64 itself shows, relative to sigma_max.
        np.testing.assert_allclose(singular_values(E), np.geomspace(1, lowest, 20), rtol=1e-9, atol=1e-15)
        assert E.rows // 5000 == passes

    def test_a_rank_that_is_lacking_costs_one_pass(self) -> None:
        E = Counted(table_of_spectrum(5000, 20, np.where(np.arange(20) < 17, 1.0, 0.0), seed=0))
        assert singular_values(E)[17:].max() < 1e-14
        assert E.rows // 5000 == 2


class TestWeights:
    """diag(w)^1/2 E."""

    @given(known_tables(), st.integers(0, 99))
    def test_they_weight_the_rows(self, known: Known, seed: int) -> None:
        weights = np.random.default_rng(seed).integers(0, 4, len(known.E)).astype(float)
        weights[0] += 1
        weighted = np.sqrt(weights)[:, None] * known.E
        twin = np.linalg.svd(weighted, compute_uv=False)
        ours = singular_values(known.E, weights=weights)
        assert len(ours) == min(np.count_nonzero(weights), known.E.shape[1])
        np.testing.assert_allclose(ours, twin[: len(ours)], rtol=1e-8, atol=1e-13)

    def test_zero_and_one_choose_rows(self) -> None:
        E = np.random.default_rng(0).standard_normal((5000, 8))
        chosen = np.arange(5000) % 3 == 0
        np.testing.assert_allclose(singular_values(E, weights=chosen), singular_values(E[chosen]), rtol=1e-10)

    @pytest.mark.parametrize("weights", [[1.0], [-1.0, 1, 1], [0.0, 0, 0], [np.nan, 1, 1]])
    def test_wrong_ones_are_refused(self, weights: list[float]) -> None:
        with pytest.raises(ValueError, match="weights"):
            singular_values(np.ones((3, 2)), weights=np.array(weights))


class TestOrigins:
    """A table is any object with a shape and slices of rows."""

    E = table_of_spectrum(6000, 8, np.geomspace(1, 1e-4, 8), seed=0).astype(np.float32)

    def test_a_torch_tensor(self) -> None:
        tensor = torch.nn.Parameter(torch.from_numpy(self.E))
        np.testing.assert_array_equal(singular_values(tensor), singular_values(self.E))

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_types_of_torch(self, dtype: torch.dtype) -> None:
        tensor = torch.from_numpy(self.E).to(dtype)
        twin = np.linalg.svd(tensor.double().numpy(), compute_uv=False)
        np.testing.assert_allclose(singular_values(tensor), twin, rtol=1e-9)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
    def test_a_tensor_on_a_device(self) -> None:
        tensor = torch.from_numpy(self.E).cuda()
        np.testing.assert_allclose(singular_values(tensor), singular_values(self.E), rtol=1e-9)

    def test_shards(self) -> None:
        class Shards:
            shape = (6000, 8)

            def __getitem__(self, rows: slice) -> Any:
                return np.concatenate([TestOrigins.E[:2500], TestOrigins.E[2500:]])[rows]

        np.testing.assert_array_equal(singular_values(Shards()), singular_values(self.E))

    @pytest.mark.parametrize("layout", ["F", "columns", "reversed"])
    def test_any_memory_order(self, layout: str) -> None:
        laid = {
            "F": np.asfortranarray(self.E),
            "columns": np.hstack([self.E, self.E])[:, 8:],
            "reversed": self.E[::-1][::-1],
        }[layout]
        np.testing.assert_array_equal(singular_values(laid), singular_values(self.E))


def test_extra_memory_is_below_a_twentieth_of_the_table() -> None:
    E = table_of_spectrum(3000, 20, np.geomspace(1, 1e-6, 20), seed=0).astype(np.float32)
    E = np.tile(E, (200, 1))
    singular_values(E)
    tracemalloc.start()
    singular_values(E)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < E.nbytes / 20


def test_the_same_table_gives_the_same_bits_whatever_the_threads() -> None:
    E = np.random.default_rng(0).standard_normal((20_000, 12)).astype(np.float32)
    found = singular_values(E)
    assert found.tobytes() == singular_values(E).tobytes()
    with threadpool_limits(1):
        assert found.tobytes() == singular_values(E).tobytes()


def test_a_memory_mapped_file_works_as_it_is(tmp_path: Path) -> None:
    E = np.random.default_rng(0).standard_normal((4000, 6)).astype(np.float32)
    np.save(tmp_path / "E.npy", E)
    mapped = np.load(tmp_path / "E.npy", mmap_mode="r")
    np.testing.assert_array_equal(singular_values(mapped), singular_values(E))


class TestExtremes:
    """The extremes in the docstrings."""

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
