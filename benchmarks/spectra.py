"""Singular values of long tables compared with common methods: ``python -m benchmarks.spectra --rows 1000000``.

All methods decompose the same float32 table, whose singular values fall from 1 to ``--lowest``: 1e-2 as in
most trained tables, 1e-6 for the worst. The error is that of the values below 1e-3, or of all if there are
none, compared with a float64 SVD. The bound is the time to read the table once per pass, or to do the float64
products of the passes, whichever is longer.
"""

import argparse

import numpy as np
import torch
from sklearn.decomposition import PCA

from benchmarks.machine import best, copy_rate, product_rate
from collapse.measures.random_matrix import random_abundance
from collapse.measures.spectra import singular_values

USUAL = "numpy.linalg.svd, float64"


def draw_baseline(D: int, K: int) -> None:
    """Draw the random baseline without the cache."""
    random_abundance.cache_clear()
    random_abundance(D, K)


def main() -> None:
    """Measure one shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--lowest", type=float, default=1e-6)
    options = parser.parse_args()
    D, K = options.rows, options.columns
    generator = np.random.default_rng(0)
    mix = np.geomspace(1, options.lowest, K)[:, None] * np.linalg.qr(generator.standard_normal((K, K))).Q
    E = (generator.standard_normal((D, K)) @ mix).astype(np.float32)
    exact = np.linalg.svd(E.astype(np.float64), compute_uv=False)
    ways = {
        USUAL: lambda: np.linalg.svd(E.astype(np.float64), compute_uv=False),
        "torch.linalg.svdvals, float32": lambda: torch.linalg.svdvals(torch.from_numpy(E)).numpy(),
        "scikit-learn PCA, covariance": lambda: PCA(svd_solver="covariance_eigh").fit(E).singular_values_,
        "collapse": lambda: singular_values(E),
    }
    repeats = 3 if E.size > 3e7 else 7
    seconds = {name: best(way, repeats) for name, way in ways.items()}
    below = exact < 1e-3 * exact[0]
    tail = below if below.any() else exact > 0
    T = int(np.count_nonzero(below))
    flops = D * K**2 + 2 * D * K * T + D * T**2
    bound = max((1 + bool(T)) * E.nbytes / copy_rate(), flops / product_rate(torch.float64))
    print(f"{D:,} x {K} float32, lowest {options.lowest:g}, {torch.get_num_threads()} threads")
    print(f"  bound {bound * 1e3:.1f} ms; time, times numpy's speed, share of the bound, relative error")
    for name, value in seconds.items():
        error = np.abs(np.asarray(ways[name]())[tail] / exact[tail] - 1).max()  # type: ignore[no-untyped-call]
        rate = f"{value * 1e3:8.1f} ms {seconds[USUAL] / value:6.1f} x {bound / value:5.0%}"
        print(f"  {name:30s} {rate} {error:.0e}")
    plain = best(lambda: generator.standard_normal((D, K)), 1) + seconds[USUAL]
    drawn = best(lambda: draw_baseline(D, K))
    print(f"  random baseline: 64 draws in {drawn * 1e3:.2f} ms, one plain draw {plain * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
