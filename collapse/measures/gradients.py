"""Gradient of an embedding, split by field and direction (Section 4.1).

Shapes: B rows of a batch, D_i rows and K columns of table i.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.measures.spectra import decompose


@dataclass(frozen=True, kw_only=True, eq=False)
class FieldTerm:
    """theta_i = sum_k alpha_ik sigma_ik v_ik, the contribution of one field to the gradient."""

    alpha: NDArray[np.float64]
    """alpha_ik = 1/B sum_b dl/dh^(b) u_ik^T 1_{x_i^(b)}, shape (R,), which depends on the data and the loss
    only."""
    sigma: NDArray[np.float64]
    """Singular values of the table E_i, descending, shape (R,)."""
    V: NDArray[np.float64]
    """Right singular vectors of E_i, shape (K, R)."""

    @property
    def theta(self) -> NDArray[np.float64]:
        """theta_i, shape (K,)."""
        return np.asarray(self.V @ (self.alpha * self.sigma))


def gradient_split(
    tables: Mapping[str, Any], ids: Mapping[str, NDArray[np.integer]], residuals: NDArray[np.floating]
) -> dict[str, FieldTerm]:
    """Split the gradient of one row e_1 under an inner-product interaction, h = sum_i e_1^T e_i + rest.

    Parameters
    ----------
    tables : mapping of str to (D_i, K) array
        Tables of the other fields, by name.
    ids : mapping of str to (B,) array of int
        Values of the other fields in the batch rows that contain e_1. Other rows do not contribute to its
        gradient.
    residuals : (B,) array
        dl/dh of these rows, divided by the size of the whole batch. For the mean binary cross-entropy this is
        (prediction - label) / batch size.

    Returns
    -------
    dict of str to FieldTerm
        One term per field. The sum of their ``theta`` is dL/de_1.

    Raises
    ------
    ValueError
        If a table does not consist of numbers or holds NaN or infinity, or an id is out of range.

    Notes
    -----
    u_ik^T 1_x is row x of U_i = E_i V_i diag(sigma_i)^-1, so alpha_ik sigma_ik = sum_b dl/dh^(b) E_i[x_i^(b)]
    v_ik. A direction with sigma_ik = 0 has alpha_ik = 0.

    References
    ----------
    The equation of Section 4.1 in Guo et al., ICML 2024.
    """
    terms = {}
    for name, E in tables.items():
        of_field = np.asarray(ids[name])
        if of_field.min(initial=0) < 0 or of_field.max(initial=0) >= len(E):
            raise ValueError(f"an id of field {name!r} is out of range: its table has {len(E)} rows")
        spectrum = decompose(E)
        values, inverse = np.unique(of_field, return_inverse=True)
        weights = np.bincount(inverse, weights=residuals, minlength=len(values))
        gradient = weights @ np.asarray(E[values], dtype=np.float64) if len(values) else np.zeros(E.shape[1])
        sigma = spectrum.sigma
        along = gradient @ spectrum.V
        alpha = np.divide(along, sigma, out=np.zeros_like(along), where=sigma > 0)
        terms[name] = FieldTerm(alpha=alpha, sigma=sigma, V=spectrum.V)
    return terms
