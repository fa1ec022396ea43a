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
        Weights of the rows, from 0.

    Returns
    -------
    float
        From 1, for a table of rank one, to min(D, K), where all singular values are equal; 0 for a table of zeros,
        as its rank is.

    Raises
    ------
    ValueError
        If `E` is no matrix of numbers, or a row holds NaN or infinity.

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
        From 1 to R, 0 where all are zero.
    """
    # Normalised before they are added, so that the sum of the largest doubles does not overflow.
    return np.asarray(normalised_spectrum(sigma).sum(axis=-1))


def adjusted_abundance(ia: float, ia_random: float) -> float:
    """Information abundance between that of rank one and that of a random matrix of the same shape.

    Parameters
    ----------
    ia : float
        IA(E).
    ia_random : float
        E[IA(random)], the mean over random matrices of the shape of E.

    Returns
    -------
    float
        (IA(E) - 1) / (E[IA(random)] - 1): 0 at rank one and 1 for a random matrix, whatever the shape; "adjusted"
        as in the adjusted Rand index. Below 0 for a table of zeros, whose IA is 0; NaN where a random matrix has
        rank one, too.
    """
    return (ia - 1) / (ia_random - 1) if ia_random > 1 + 1e-9 else float("nan")


def normalised_spectrum(sigma: NDArray[np.floating]) -> NDArray[np.floating]:
    """Singular values over the largest, sigma_k / sigma_1 (Figure 1b).

    Parameters
    ----------
    sigma : (..., R) array
        Singular values, descending along the last axis.

    Returns
    -------
    (..., R) array
        From 0 to 1, the first 1; all 0 where all are zero.
    """
    largest = sigma[..., :1]
    normalised: NDArray[np.floating] = np.divide(sigma, largest, out=np.zeros_like(sigma), where=largest > 0)
    return normalised
