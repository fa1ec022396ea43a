"""Information abundance (Definition 3.1)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.measures.spectra import decompose


def information_abundance(E: Any, *, weights: NDArray[Any] | None = None) -> float:
    """Information abundance of a table, IA(E) = ||sigma||_1 / ||sigma||_inf.

    Parameters
    ----------
    E : (D, K) array
        The table, as `singular_values` takes it.
    weights : (D,) array, optional
        Non-negative weights of the rows.

    Returns
    -------
    float
        From 1 (rank one) to min(D, K) (all singular values equal); 0 for a table of zeros.

    Raises
    ------
    ValueError
        If `E` is not a matrix of numbers, or a row holds NaN or infinity.

    References
    ----------
    Definition 3.1 of Guo et al., On the Embedding Collapse When Scaling Up Recommendation Models, ICML 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from collapse import information_abundance
    >>> round(information_abundance(np.eye(4)), 6)
    4.0
    >>> round(information_abundance(np.ones((4, 4))), 6)
    1.0
    """
    return float(abundance_of_spectrum(decompose(E, weights=weights).values))


def abundance_of_spectrum(sigma: NDArray[np.floating]) -> NDArray[np.floating]:
    """Information abundance of given singular values.

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.

    Returns
    -------
    (...) array
        From 1 to R; 0 where all singular values are zero.
    """
    # Normalise before adding, so that a sum of the largest doubles does not overflow.
    return np.asarray(normalised_spectrum(sigma).sum(axis=-1))


def adjusted_abundance(ia: float, ia_random: float) -> float:
    """Information abundance on a scale from 0 (rank one) to 1 (random matrix of the same shape).

    Parameters
    ----------
    ia : float
        IA(E).
    ia_random : float
        E[IA(random)], the mean over random matrices of the shape of E.

    Returns
    -------
    float
        (IA(E) - 1) / (E[IA(random)] - 1), adjusted in the sense of the adjusted Rand index: 0 at rank one and 1
        for a random matrix, for every shape. Negative for a table of zeros, whose IA is 0. NaN if random matrices
        of this shape have rank one.
    """
    return (ia - 1) / (ia_random - 1) if ia_random > 1 + 1e-9 else float("nan")


def normalised_spectrum(sigma: NDArray[np.floating]) -> NDArray[np.floating]:
    """Singular values relative to the largest, sigma_k / sigma_1 (Figure 1b).

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.

    Returns
    -------
    (..., R) array
        From 0 to 1, and 1 for the first; 0 where all singular values are zero.
    """
    largest = sigma[..., :1]
    normalised: NDArray[np.floating] = np.divide(sigma, largest, out=np.zeros_like(sigma), where=largest > 0)
    return normalised
