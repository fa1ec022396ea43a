"""Verdicts on tables whose truth is known: no rank-one table is missed, and no random one is called collapsed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from collapse import diagnose
from collapse.analysis.measures.abundance import adjusted_abundance
from collapse.analysis.verdicts import Degree

LAWS: dict[str, Callable[[np.random.Generator, int, int], NDArray[np.float64]]] = {
    "normal": lambda random, D, K: random.standard_normal((D, K)),
    "uniform": lambda random, D, K: random.uniform(-1, 1, (D, K)),
    "heavy-tailed": lambda random, D, K: random.standard_t(5, (D, K)),
}


def judged(E: Any) -> Any:
    return diagnose({"a": E}).iloc[0]


@given(
    D=st.integers(3, 2000),
    K=st.integers(2, 64),
    seed=st.integers(0, 10**6),
    exponent=st.integers(-20, 20),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_no_rank_one_table_is_missed(D: int, K: int, seed: int, exponent: int, dtype: type[Any]) -> None:
    random = np.random.default_rng(seed)
    E = np.outer(random.standard_normal(D), random.standard_normal(K)) * 2.0**exponent
    found = judged(E.astype(dtype))
    assert found["degree"] == Degree.COLLAPSED
    assert found["ia_adjusted"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("K", [2, 4, 16, 64])
@pytest.mark.parametrize("D", [3, 10, 100, 3000])
def test_random_tables_are_not_called_collapsed(law: str, D: int, K: int) -> None:
    """Fewer than 1 % of them; of 40 a seventh would be far out, so one is let pass."""
    random = np.random.default_rng(D * K)
    tables = {str(number): LAWS[law](random, D, K) for number in range(40)}
    degrees = diagnose(tables)["degree"]
    assert (degrees == Degree.COLLAPSED).sum() <= 1
    assert (degrees == Degree.PARTLY).sum() <= 2


@given(D=st.integers(2, 10**5), K=st.integers(2, 256))
def test_adjusted_abundance_has_its_extremes(D: int, K: int) -> None:
    from collapse import random_abundance

    mean = random_abundance(D, K, draws=99).mean
    assert adjusted_abundance(1, mean) == 0
    assert adjusted_abundance(mean, mean) == pytest.approx(1)


def test_a_shape_that_has_one_direction_alone_has_none() -> None:
    assert np.isnan(adjusted_abundance(1, 1))
