"""Verdicts on tables of known truth: every rank-one table is found, and random ones are not collapsed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from collapse import diagnose, load, random_abundance
from collapse.analysis.settings import AnalysisSettings, Rows
from collapse.analysis.verdicts import Cause, Degree
from collapse.io.readers.row_counts import RowCounts
from collapse.io.readers.selection import Selection
from collapse.measures.abundance import adjusted_abundance
from collapse.measures.causes import Causes, causes
from collapse.measures.random_matrix import RandomMean
from collapse.measures.rows import row_measures
from collapse.measures.spectra import decompose
from tests.strategies import table_of_spectrum

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
    """Fewer than 1 % of them. With 40 tables, one is allowed."""
    random = np.random.default_rng(D * K)
    tables = {str(number): LAWS[law](random, D, K) for number in range(40)}
    degrees = diagnose(tables)["degree"]
    assert (degrees == Degree.COLLAPSED).sum() <= 1
    assert (degrees == Degree.PARTLY).sum() <= 2


@pytest.mark.parametrize("K", [2, 16])
@pytest.mark.parametrize("D", [10, 100, 3000])
def test_nor_are_random_tables_whose_rows_are_weighted_by_frequency(D: int, K: int) -> None:
    """Frequencies follow Zipf's law."""
    random, counts = np.random.default_rng(D * K), np.maximum(1, 10 * D // np.arange(1, D + 1))
    tables = {str(number): random.standard_normal((D, K)) for number in range(12)}
    given = Selection(row_counts=dict.fromkeys(tables, counts))
    degrees = diagnose(load(tables, selection=given), settings=AnalysisSettings(rows="frequency"))["degree"]
    assert (degrees == Degree.COLLAPSED).sum() == 0
    assert (degrees == Degree.PARTLY).sum() <= 1


@given(D=st.integers(2, 10**5), K=st.integers(2, 256))
def test_adjusted_abundance_has_its_extremes(D: int, K: int) -> None:
    mean = random_abundance(D, K, draws=99).mean
    assert adjusted_abundance(1, mean) == 0
    assert adjusted_abundance(mean, mean) == pytest.approx(1)


def test_a_shape_that_has_one_direction_alone_has_none() -> None:
    assert np.isnan(adjusted_abundance(1, 1))


RANDOM = np.random.default_rng(1)


def normal(*shape: int) -> NDArray[np.float64]:
    return RANDOM.standard_normal(shape)


@pytest.mark.parametrize(
    ("E", "degree", "word"),
    [
        (normal(5, 1) @ normal(1, 2), Degree.COLLAPSED, ""),
        (normal(4, 1) @ normal(1, 40), Degree.COLLAPSED, ""),
        (normal(1000, 1) @ normal(1, 3), Degree.COLLAPSED, ""),
        (normal(3000, 32), Degree.SPREAD, ""),
        (normal(3000, 32) + 3, Degree.DOMINATED, "its mean row"),
        (normal(3000, 10) + normal(10), Degree.DOMINATED, "its mean row"),
        (normal(3000, 32) * np.r_[12, np.ones(31)], Degree.DOMINATED, "its first direction"),
        (np.c_[0.1 * normal(2000, 32), np.ones(2000)], Degree.DOMINATED, "a constant column"),
        (np.c_[np.ones((2000, 2)), 0.1 * normal(2000, 32)], Degree.DOMINATED, "2 constant columns"),
        (normal(3000, 3) @ normal(3, 32) + 1e-2 * normal(3000, 32), Degree.COLLAPSED, ""),
        (normal(3000, 1) @ normal(1, 32) + 1e-2 * normal(3000, 32), Degree.COLLAPSED, ""),
        (np.ones((500, 8)) + 1e-7 * normal(500, 8), Degree.COLLAPSED, ""),
        (np.r_[normal(10, 40), 1e-5 * normal(50, 40)], Degree.SPREAD, "the 10 rows that are not near zero"),
        (np.r_[normal(1, 1) @ normal(1, 40), 1e-5 * normal(50, 40)], Degree.COLLAPSED, "one direction holds"),
        (np.r_[normal(2, 40), np.zeros((1, 40))], Degree.NOT_JUDGED, "2 rows that are not zero"),
        (np.r_[normal(4, 40), np.zeros((1, 40))], Degree.SPREAD, ""),
        (np.r_[normal(9, 40), np.zeros((1, 40))], Degree.SPREAD, ""),
        (np.zeros((9, 4)), Degree.NOT_JUDGED, "zero"),
        (normal(2, 9), Degree.NOT_JUDGED, "2 rows"),
        (normal(9, 1), Degree.NOT_JUDGED, "column"),
    ],
)
def test_the_truth_is_told(E: NDArray[np.float64], degree: Degree, word: str) -> None:
    """The degree, and the cause in the verdict."""
    for dtype in (np.float32, np.float64):
        found = judged(E.astype(dtype))
        assert found["degree"] == degree
        assert word in found["verdict"]


COUNTS = np.maximum(1, (1e5 / np.arange(1, 3001) ** 1.1).astype(np.int64))
"""Row counts that follow Zipf's law."""


@pytest.mark.parametrize(
    ("E", "cause", "words"),
    [
        (normal(3000, 32), Cause.NONE, "spread out"),
        (normal(3000, 32) + np.outer(COUNTS / COUNTS.std(), 3 * normal(32)), Cause.POPULARITY, "popularity: 1.0"),
        (normal(3000, 32) + np.outer(2 * np.log1p(COUNTS), normal(32)), Cause.POPULARITY, "of popularity: 1.0"),
        (normal(3000, 32) + np.outer(COUNTS**0.7 / 20, normal(32)), Cause.FIRST, ", which follows row counts: "),
        (normal(3000, 32) + 3, Cause.MEAN, "its mean row: "),
        (normal(3000, 1) @ normal(1, 32) + 0.3 * normal(3000, 32), Cause.FIRST, "its first direction: "),
    ],
)
def test_popularity_is_told_from_other_causes(E: NDArray[np.float64], cause: Cause, words: str) -> None:
    """Where row counts are known."""
    counts = RowCounts(source="counts", by_field={"a": COUNTS})
    found = diagnose(load({"a": E}, selection=Selection(row_counts=counts))).iloc[0]
    assert found["cause"] == cause
    assert words in found["verdict"]
    U = np.linalg.svd(E, full_matrices=False)[0]
    directions = {"mean": np.ones(3000), "counts": COUNTS, "log_counts": np.log1p(COUNTS)}
    for name, direction in directions.items():
        twin = abs(U[:, 0] @ direction) / np.linalg.norm(direction)
        assert found[f"cosine_{name}"] == pytest.approx(twin, abs=1e-7)
    nearer = max(("counts", "log_counts"), key=lambda name: found[f"cosine_{name}"])
    f = directions[nearer] / np.linalg.norm(directions[nearer])
    without = judged(E - np.outer(f, f @ E))
    assert found["adjusted_without_popularity"] == pytest.approx(without["ia_adjusted"], rel=0.01, abs=0.01)


@pytest.mark.parametrize("weights", [None, "trained", "frequency"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_centred_is_what_the_centred_table_is(weights: str | None, dtype: type[Any]) -> None:
    """For any selection of rows, and for any offset."""
    E = (normal(3000, 8) * np.geomspace(1, 0.7, 8) + 10).astype(dtype)
    counts = np.arange(3000) % 3
    given = None if weights is None else RowCounts(source="counts", by_field={"a": counts})
    tables = load({"a": E}, selection=Selection(row_counts=given))
    rows: Rows = "frequency" if weights == "frequency" else "trained"
    found = diagnose(tables, settings=AnalysisSettings(rows=rows, centred=True)).iloc[0]
    w = {"trained": counts > 0, "frequency": counts}.get(str(weights), np.ones(3000)).astype(float)
    plain = E.astype(float)
    plain = np.sqrt(w)[:, None] * (plain - w @ plain / w.sum())
    sigma = np.linalg.svd(plain, compute_uv=False)
    assert found["ia"] == pytest.approx(sigma.sum() / sigma[0], rel=1e-9)
    assert found["adjusted_centred"] == pytest.approx(found["ia_adjusted"], abs=0.02)
    uncentred = diagnose(tables, settings=AnalysisSettings(rows=rows)).iloc[0]
    assert uncentred["cause"] == Cause.MEAN
    assert uncentred["adjusted_centred"] == pytest.approx(found["ia_adjusted"], abs=0.02)


def of_shape(E: NDArray[np.float64]) -> RandomMean:
    D, K = E.shape
    return RandomMean(mean=random_abundance(D, K).mean, D=D, K=K, seed=0)


class TestCauses:
    """The effect of removing one cause, computed from the Gram matrix, equals removing it from the table."""

    def plain(self, E: NDArray[np.float64], D: int, K: int) -> float:
        sigma = np.linalg.svd(E, compute_uv=False)
        return adjusted_abundance(float(sigma.sum() / sigma[0]), of_shape(E).of(D, K))

    def found(self, E: NDArray[np.float64]) -> Causes:
        spectrum = decompose(E)
        return causes(spectrum, row_measures(E).sums, len(E), of_shape(E))

    @given(
        D=st.sampled_from([7, 40, 600]),
        K=st.sampled_from([5, 8, 17]),
        low=st.floats(0, 3),
        seed=st.integers(0, 99),
        offset=st.floats(-2, 2),
        constants=st.integers(0, 2),
    )
    def test_they_equal_the_table_without_it(
        self, D: int, K: int, low: float, seed: int, offset: float, constants: int
    ) -> None:
        E = table_of_spectrum(D, K, np.geomspace(1, 10**-low, min(D, K)), seed)
        E = E + offset / np.sqrt(D)
        found = self.found(E)
        assert found.mean.adjusted == pytest.approx(self.plain(E - E.mean(axis=0), D - 1, K), abs=1e-5)
        U, sigma, Vt = np.linalg.svd(E, full_matrices=False)
        below = (U[:, 1:] * sigma[1:]) @ Vt[1:]
        if sigma[1] > 1e-9:
            assert found.first.adjusted == pytest.approx(self.plain(below, D - 1, K - 1), abs=1e-5)
        assert found.first.energy == pytest.approx((sigma[1:] ** 2).sum() / (sigma**2).sum(), abs=1e-9)
        with_constants = np.c_[E, np.full((D, constants), 3.0)]
        of = self.found(with_constants)
        if constants and found.constant_columns == 0:
            assert of.constant_columns == constants
            assert of.constant.adjusted == pytest.approx(self.plain(E, D, K), rel=0.01, abs=1e-5)

    def test_weights_weight_the_mean(self) -> None:
        E, weights = normal(60, 5) + 2, RANDOM.integers(1, 5, 60).astype(float)
        repeated = np.repeat(E, weights.astype(int), axis=0)
        spectrum = decompose(E, weights=weights)
        sums = row_measures(E, weights=weights).sums
        ours = causes(spectrum, sums, len(repeated), of_shape(repeated))
        assert ours.mean.adjusted == pytest.approx(self.found(repeated).mean.adjusted, abs=1e-9)

    def test_the_scale_makes_no_difference(self) -> None:
        E = normal(400, 6) + 1
        for exponent in (-900, -600, 600, 900):
            scaled, plain = judged(np.ldexp(E, exponent)), judged(E)
            for name in ("adjusted_centred", "adjusted_without_first", "degree"):
                assert (
                    scaled[name] == pytest.approx(plain[name]) if name != "degree" else scaled[name] == plain[name]
                )
