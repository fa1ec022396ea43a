"""Accuracy of singular values by method, spectrum and dtype: ``python -m benchmarks.accuracy``.

The table, in Markdown, has the largest relative error of any singular value, compared with a float64 SVD of
the stored table. Values below the noise floor of the dtype are left out: the size that a missing direction
gets from rounding alone. The last column is that floor relative to the largest value.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from collapse.measures.precision import machine_epsilon, rounding_noise
from collapse.measures.spectra import singular_values

D, K = 20_000, 50
SPECTRA = {
    "flat": np.ones(K),
    "1 to 1e-2": np.geomspace(1, 1e-2, K),
    "1 to 1e-6": np.geomspace(1, 1e-6, K),
    "a gap, 1 and 1e-5": np.where(np.arange(K) < 10, 1, 1e-5),
    "rank 10": np.where(np.arange(K) < 10, 1.0, 0.0),
}


def gram(E: torch.Tensor) -> NDArray[np.floating]:
    """Take the square roots of the eigenvalues of the float64 Gram matrix: one pass, without a second."""
    wide = E.double().numpy()
    return np.sqrt(np.maximum(np.linalg.eigvalsh(wide.T @ wide)[::-1], 0))


METHODS = {
    "torch.linalg.svdvals, float32": lambda E: torch.linalg.svdvals(E.float()).double().numpy(),
    "float64 Gram, one pass": gram,
    "collapse": singular_values,
}


def main() -> None:
    """Print one row per dtype and spectrum."""
    generator = np.random.default_rng(0)
    U, V = (np.linalg.qr(generator.standard_normal((rows, K))).Q for rows in (D, K))
    print(f"| type | spectrum | {' | '.join(METHODS)} | noise floor |")
    print("|---|---|" + "---|" * (len(METHODS) + 1))
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        for name, sigma in SPECTRA.items():
            # Entries of about 1, so that float16 has no subnormal ones.
            E = torch.from_numpy(np.sqrt(D) * U * sigma @ V.T).to(dtype)
            exact = np.linalg.svd(E.double().numpy(), compute_uv=False)
            noise = rounding_noise(exact, D, K, eps=machine_epsilon(dtype)) / exact[0]
            seen = exact > max(noise, 1e-12) * exact[0]
            errors = [np.abs(method(E)[seen] / exact[seen] - 1).max() for method in METHODS.values()]
            cells = " | ".join(f"{error:.0e}" for error in errors)
            print(f"| {str(dtype).removeprefix('torch.')} | {name} | {cells} | {noise:.0e} |")


if __name__ == "__main__":
    main()
