"""Principal angles between embedding sets, and the diversity made of them (Section 5.3, Appendix F)."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


def principal_cosines(A: NDArray[Any], B: NDArray[Any]) -> NDArray[np.float64]:
    """Cosines of the principal angles between the column spaces of two tables.

    Parameters
    ----------
    A, B : (D, K) and (D, L) arrays
        Two sets of one field, floating, with the same rows.

    Returns
    -------
    (min(D, K, L),) float64 array
        Descending, from 0 (orthogonal) to 1 (a common direction). A direction that a rank-deficient set lacks
        makes no angle and counts as 0.

    Raises
    ------
    ValueError
        If the tables have no common rows, or hold NaN or infinity.

    Notes
    -----
    The cosines are the singular values of U_A^T U_B. A direction belongs to a span if its singular value is above
    max(D, K) eps times the largest.
    """
    A, B = np.asarray(A, dtype=np.float64), np.asarray(B, dtype=np.float64)
    if A.ndim != 2 or B.ndim != 2 or len(A) != len(B):
        raise ValueError(f"sets of one field have the same rows, and these have shapes {A.shape} and {B.shape}")
    if not (np.isfinite(A).all() and np.isfinite(B).all()):
        raise ValueError("a set holds NaN or infinity")
    found = np.linalg.svd(_basis(A).T @ _basis(B), compute_uv=False)
    cosines = np.zeros(min(len(A), A.shape[1], B.shape[1]))
    cosines[: len(found)] = np.clip(found, 0, 1)
    return cosines


def diversity(A: NDArray[Any], B: NDArray[Any], *, divisor: Literal["K", "rank"] = "K") -> float:
    """Diversity of two sets, div = 1 - ||cos phi||_1 / K (Section 5.3).

    Parameters
    ----------
    A, B : (D, K) arrays
        Two sets of one field, floating.
    divisor : {"K", "rank"}
        ``K`` is the paper's. Where D < K it is never 0: every cosine is 1 and div = 1 - D / K. ``rank`` divides by
        min(D, K), the angles that there can be.

    Returns
    -------
    float
        From 0, for the same span of full rank, to 1, for orthogonal spans; symmetric.

    Raises
    ------
    ValueError
        If the sets differ in shape, or hold NaN or infinity.
    """
    if np.shape(A) != np.shape(B):
        raise ValueError(f"sets have one shape, and these have {np.shape(A)} and {np.shape(B)}")
    cosines = principal_cosines(A, B)
    angles = np.shape(A)[1] if divisor == "K" else len(cosines)
    return float(1 - cosines.sum() / angles)


def _basis(A: NDArray[np.float64]) -> NDArray[np.float64]:
    U, sigma, _ = np.linalg.svd(A, full_matrices=False)
    return U[:, sigma > max(A.shape) * np.finfo(np.float64).eps * sigma[0]]
