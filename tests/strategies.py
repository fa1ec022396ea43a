"""Hypothesis strategies for tables of known spectra. D rows, K columns, R = min(D, K)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray


def orthonormal(rows: int, columns: int, seed: int) -> NDArray[np.float64]:
    """Return a random (rows, columns) matrix with orthonormal columns, rows >= columns."""
    normal = np.random.default_rng(seed).standard_normal((rows, columns))
    return np.linalg.qr(normal).Q


def table_of_spectrum(D: int, K: int, sigma: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return a (D, K) table with the singular values `sigma`, of length min(D, K)."""
    R = min(D, K)
    table: NDArray[np.float64] = (orthonormal(D, R, seed) * sigma) @ orthonormal(K, R, seed + 1).T
    return table


@dataclass(frozen=True)
class Known:
    """A table and the singular values that it was built from."""

    E: NDArray[Any]
    sigma: NDArray[np.float64]


shapes = st.tuples(st.sampled_from([1, 2, 3, 7, 40, 600, 3000]), st.sampled_from([1, 2, 3, 8, 17]))


@st.composite
def spectra(draw: st.DrawFn, size: int) -> NDArray[np.float64]:
    """Draw a descending spectrum: flat, exponential, with a gap, or exactly rank-deficient."""
    kind = draw(st.sampled_from(["flat", "exponential", "gap", "deficient"]))
    place = np.linspace(0, 1, size) if size > 1 else np.zeros(1)
    if kind == "flat":
        return np.ones(size)
    if kind == "exponential":
        return np.asarray(10.0 ** (-draw(st.floats(0, 6)) * place))
    kept = draw(st.integers(1, size))
    below = 10.0 ** -draw(st.floats(2, 6)) if kind == "gap" else 0.0
    return np.where(np.arange(size) < kept, 1.0, below)


@st.composite
def known_tables(draw: st.DrawFn, max_rows: int = 3000) -> Known:
    """Draw a float64 table of a known spectrum, from well conditioned to collapsed."""
    D, K = draw(shapes.filter(lambda shape: shape[0] <= max_rows))
    sigma = draw(spectra(min(D, K)))
    return Known(table_of_spectrum(D, K, sigma, draw(st.integers(0, 999))), sigma)
