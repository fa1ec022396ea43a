"""States of parts of a table: merged in any order and any division, they have the spectrum of the whole."""

import itertools
import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from collapse import SpectralState, gram_state, merge, spectrum
from collapse.measures.rows import row_measures
from collapse.measures.spectra import decompose

Matrix = NDArray[np.float64]


@st.composite
def divided(draw: st.DrawFn) -> tuple[Matrix, list[slice]]:
    """Return a table, and slices that cover it in a random order, some of them empty."""
    random = np.random.default_rng(draw(st.integers(0, 999)))
    D, K = draw(st.integers(1, 90)), draw(st.integers(1, 7))
    E = random.standard_normal((D, K)) * 2.0 ** draw(st.sampled_from([0, 0, 0, -600, 600]))
    if draw(st.booleans()):
        E = E @ np.diag(10.0 ** -np.arange(0, 2 * K, 2))
    cuts = [0, *sorted(draw(st.lists(st.integers(0, D), max_size=5))), D]
    parts = [slice(a, b) for a, b in itertools.pairwise(cuts)]
    return E, draw(st.permutations(parts))


@given(table=divided())
def test_any_division_has_the_spectrum_of_the_whole(table: tuple[Matrix, list[slice]]) -> None:
    E, parts = table

    def states(basis: Matrix | None = None, scale: float = 1.0) -> SpectralState:
        return merge(
            pickle.loads(pickle.dumps(gram_state(E[part], first_row=part.start, basis=basis, scale=scale)))
            for part in parts
        )

    found, expected = spectrum(states(), states), decompose(E)
    assert np.allclose(found.sigma / expected.sigma[0], expected.sigma / expected.sigma[0], rtol=0, atol=1e-12)
    assert np.allclose(found.V.T @ found.V, np.eye(len(found.values)), atol=1e-9)


@given(table=divided(), seed=st.integers(0, 99))
def test_weights_counts_and_causes(table: tuple[Matrix, list[slice]], seed: int) -> None:
    E, parts = table
    counts = np.random.default_rng(seed).integers(0, 4, len(E))
    if not (counts > 0).any() or not 1e-9 < np.abs(E).max() < 1e9:
        return
    merged = merge(gram_state(E[part], weights=(counts > 0)[part], counts=counts[part]) for part in parts)
    assert merged.rows == np.count_nonzero(counts)
    expected = decompose(E, weights=counts > 0)
    found = spectrum(merged).sigma
    assert np.allclose(found, expected.sigma, rtol=0, atol=1e-7 * expected.sigma[0])
    of_rows = row_measures(E, weights=counts > 0, counts=counts)
    assert merged.sums is not None
    assert np.allclose(merged.sums.products, of_rows.sums.products)
    assert np.allclose(merged.sums.gram, of_rows.sums.gram)
    assert merged.mean_cosine == pytest.approx(of_rows.anisotropy, nan_ok=True, abs=1e-9)


def test_a_bad_row_is_named_wherever_it_is() -> None:
    E = np.ones((50, 3))
    E[37, 1] = np.nan
    states = [gram_state(E[start : start + 10], first_row=start) for start in range(0, 50, 10)]
    with pytest.raises(ValueError, match="row 37 holds NaN or infinity"):
        spectrum(merge(states))


def test_what_does_not_fit_is_refused() -> None:
    E = np.ones((9, 3))
    for states, said in (
        ([], "there are no states"),
        ([gram_state(E), gram_state(E[:, :2])], "different numbers of columns"),
        ([gram_state(E), gram_state(E, scale=2.0)], "different passes"),
    ):
        with pytest.raises(ValueError, match=said):
            merge(states)
    with pytest.raises(ValueError, match="has no rows"):
        spectrum(gram_state(E[:0]))
    with pytest.raises(ValueError, match="a further pass is needed"):
        spectrum(gram_state(E * 1e200))


def test_the_size_does_not_depend_on_the_rows() -> None:
    sizes = {len(pickle.dumps(gram_state(np.ones((D, 16)), counts=np.ones(D, int)))) for D in (100, 10_000)}
    assert max(sizes) - min(sizes) < 64
    assert max(sizes) < 8 * (2 * 16**2 + 8 * 16) + 2000


@pytest.mark.libraries
@pytest.mark.parametrize(("engine", "file"), [("ray", "table.npy"), ("pyspark", "table.parquet")])
def test_the_examples_of_other_engines(engine: str, file: str, tmp_path: Path) -> None:
    """They are not among the extras, because they are large."""
    if find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    E = np.random.default_rng(0).standard_normal((3000, 8)) @ np.diag(10.0 ** -np.arange(0, 8))
    np.save(tmp_path / "table.npy", E)
    pd.DataFrame({"v": list(E)}).to_parquet(tmp_path / "table.parquet")
    script = Path(__file__).parents[1] / "docs" / "examples" / f"spectra_on_{engine.removeprefix('py')}.py"
    words = [sys.executable, str(script), file, *(["v"] if engine == "pyspark" else [])]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    sigma = np.linalg.svd(E, compute_uv=False)
    assert f"IA {sigma.sum() / sigma[0]:.9f}" in ran.stdout


def test_a_table_of_zeros_has_no_directions() -> None:
    assert spectrum(merge([gram_state(np.zeros((9, 3))), gram_state(np.zeros((1, 3)))])).sigma.tolist() == [
        0,
        0,
        0,
    ]
