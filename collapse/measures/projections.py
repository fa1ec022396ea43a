"""Divergence of the interaction patterns ||W_{i->j}||_F (Figure 10b), and distance of maps from unitary ones.

Shapes: M sets, N fields, K embedding size.
"""

import numpy as np
from numpy.typing import NDArray

from collapse.measures.abundance import normalised_spectrum


def pattern_divergence(norms: NDArray[np.floating]) -> float:
    """Measure how much the interaction patterns of several sets differ (Section 5.3).

    Parameters
    ----------
    norms : (M, N, N) array
        ||W_{i->j}^(m)||_F of every set and pair. NaN entries, for pairs without a map, are ignored.

    Returns
    -------
    float
        Standard deviation over the sets relative to the mean, sqrt(mean_ij var_m) / mean_ijm. It is 0 if all sets
        have the same pattern, and sqrt(M - 1) at most, if each pair has a norm in one set only. NaN if all norms
        are zero. The paper shows the patterns but gives no formula.
    """
    of_pairs = norms.reshape(len(norms), -1)
    of_pairs = of_pairs[:, ~np.isnan(of_pairs).any(axis=0)]
    mean = of_pairs.mean() if of_pairs.size else 0.0
    return float(np.sqrt(of_pairs.var(axis=0).mean()) / mean) if mean > 0 else float("nan")


def unitary_distance(sigma: NDArray[np.floating]) -> NDArray[np.float64]:
    """Measure how far a map is from a multiple of a unitary matrix.

    The distance is min over lambda of ||W^T W - lambda I||_F / ||W^T W||_F: the penalty of Evidence III at the
    best lambda, which is the mean of sigma^2, relative to the scale of W.

    Parameters
    ----------
    sigma : (..., K) array
        Singular values of the map, descending along the last axis, including zeros.

    Returns
    -------
    (...) array
        From 0 (all singular values equal) to sqrt(1 - 1 / K) (rank one); NaN where all are zero.
    """
    energy = normalised_spectrum(sigma) ** 2
    total = (energy**2).sum(axis=-1)
    spread = ((energy - energy.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    return np.asarray(np.sqrt(np.divide(spread, total, out=np.full_like(total, np.nan), where=total > 0)))
