"""The noise floor of a dtype describes its rounding, and the rule for the rank uses it."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from collapse import diagnose
from collapse.measures.precision import (
    machine_epsilon,
    numerical_rank,
    rounding_noise,
    smallest_spacing,
)
from collapse.measures.spectra import singular_values
from tests.strategies import table_of_spectrum

TYPES = [torch.bfloat16, torch.float16, torch.float32]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("D", "K"), [(200, 200), (5000, 16), (100, 3)])
def test_rounding_leaves_that_noise(dtype: torch.dtype, D: int, K: int) -> None:
    """The spectral norm of the noise is below the formula, and within a factor of two."""
    E = np.random.default_rng(0).standard_normal((D, K))
    rounded = torch.from_numpy(E).to(dtype).double().numpy()
    measured = np.linalg.norm(rounded - E, 2)
    stated = rounding_noise(np.linalg.svd(E, compute_uv=False), D, K, eps=machine_epsilon(dtype))
    assert stated / 2 < measured < stated


@given(
    D=st.sampled_from([3, 30, 700, 6000]),
    K=st.sampled_from([2, 5, 12]),
    rank=st.integers(1, 12),
    low=st.floats(0, 3),
    dtype=st.sampled_from([*TYPES, torch.float64]),
    seed=st.integers(0, 99),
)
def test_the_rank_survives_rounding(D: int, K: int, rank: int, low: float, dtype: torch.dtype, seed: int) -> None:
    """A table of known rank has that rank in every dtype if its smallest direction is above the noise."""
    R = min(D, K)
    rank = min(rank, R)
    sigma = np.where(np.arange(R) < rank, np.geomspace(1, 10**-low, R), 0)
    rounded = torch.from_numpy(table_of_spectrum(D, K, sigma, seed)).to(dtype)
    noise = rounding_noise(sigma, D, K, eps=machine_epsilon(dtype))
    if sigma[rank - 1] > 8 * noise:
        assert numerical_rank(singular_values(rounded), D, K, eps=machine_epsilon(dtype)) == rank


def test_true_directions_of_long_tables_count() -> None:
    """At D = 10^6 in float32, max(D, K) eps sigma_1 is 12 % of sigma_1."""
    sigma = np.array([1.0, 0.5, 1e-2, 1e-3, 1e-5])
    assert numerical_rank(sigma, 10**6, 5, eps=machine_epsilon(np.float32)) == 5
    assert np.count_nonzero(sigma > 10**6 * machine_epsilon(np.float32)) == 2


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", [1.0, 1e-2, 1e-4, 1e-5, 1e-6])
def test_the_rank_is_that_of_the_table_at_every_scale(dtype: torch.dtype, size: float) -> None:
    """Including entries below 6e-5, the smallest normal number of float16."""
    random = np.random.default_rng(0)
    exact = size / 5**0.5 * random.standard_normal((3000, 5)) @ random.standard_normal((5, 64))
    found = diagnose(torch.from_numpy(exact).to(dtype)).iloc[0]
    assert found["rank"] == 5
    # Most directions are rounding noise: there is no bulk to stand above.
    assert pd.isna(found["above_bulk"])


def test_a_table_with_a_bulk_has_directions_above_it() -> None:
    E = np.random.default_rng(0).standard_normal((3000, 16))
    E[:, 0] *= 9
    assert diagnose(E.astype(np.float16)).iloc[0]["above_bulk"] == 1


def test_extremes() -> None:
    assert numerical_rank(np.zeros(3), 9, 3, eps=1e-7) == 0
    assert numerical_rank(np.ones(3), 9, 3, eps=1e-7) == 3
    assert rounding_noise(np.zeros(3), 9, 3, eps=1e-7) == 0


@pytest.mark.parametrize(
    ("dtype", "exponent"),
    [(torch.bfloat16, -7), (np.float16, -10), (torch.float16, -10), (np.dtype("f4"), -23), ("float64", -52)],
)
def test_machine_epsilon(dtype: object, exponent: int) -> None:
    assert machine_epsilon(dtype) == 2.0**exponent


@pytest.mark.parametrize("dtype", [*TYPES, torch.float64])
def test_the_smallest_spacing_is_that_of_torch(dtype: torch.dtype) -> None:
    spacing = torch.tensor(smallest_spacing(dtype), dtype=torch.float64)
    assert float(spacing.to(dtype)) == float(spacing) > 0
    assert float((spacing / 4).to(dtype)) == 0
