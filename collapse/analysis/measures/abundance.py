"""Information abundance (Definition 3.1)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.analysis.measures.spectra import decompose


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
