"""The gradient of one embedding, field by field and direction by direction (Section 4.1).

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
    """theta_i = sum_k alpha_ik sigma_ik v_ik, what one field adds to the gradient."""

    alpha: NDArray[np.float64]
    """alpha_ik = 1/B sum_b dl/dh^(b) u_ik^T 1_{x_i^(b)}, shape (R,): set by the data and the loss alone."""
    sigma: NDArray[np.float64]
    """The singular values of the table E_i, descending, shape (R,)."""
    V: NDArray[np.float64]
    """Its right singular vectors, shape (K, R)."""

    @property
    def theta(self) -> NDArray[np.float64]:
        """theta_i, shape (K,)."""
        return np.asarray(self.V @ (self.alpha * self.sigma))


def gradient_split(
    tables: Mapping[str, Any], ids: Mapping[str, NDArray[np.integer]], residuals: NDArray[np.floating]
) -> dict[str, FieldTerm]:
    """Split the gradient of one row e_1 of a field under an inner-product interaction, h = sum_i e_1^T e_i + rest.

    Parameters
    ----------
    tables : mapping of str to (D_i, K) array
        The tables of the other fields, by their names.
    ids : mapping of str to (B,) array of int
        The other fields' values in the rows of the batch that hold e_1; rows that do not, add nothing to its
        gradient.
    residuals : (B,) array
        dl/dh of these rows over the size of the whole batch: with the mean of the binary cross-entropy as the
        loss, (prediction - label) / batch size.

    Returns
    -------
    dict of str to FieldTerm
        A term a field; the sum of their ``theta`` is dL/de_1.

    Raises
    ------
    ValueError
        If a table is none of numbers, holds NaN or infinity, or an id is outside of it.

    Notes
    -----
    u_ik^T 1_x is row x of U_i = E_i V_i diag(sigma_i)^-1, so alpha_ik sigma_ik = sum_b dl/dh^(b) E_i[x_i^(b)]
    v_ik. A direction of sigma_ik = 0 has alpha_ik = 0.

    References
    ----------
    The equation of Section 4.1 in Guo et al., ICML 2024.
    """
    terms = {}
    for name, E in tables.items():
        of_field = np.asarray(ids[name])
        if of_field.min(initial=0) < 0 or of_field.max(initial=0) >= len(E):
            raise ValueError(f"an id of field {name!r} is outside of its table of {len(E)} rows")
        spectrum = decompose(E)
        values, inverse = np.unique(of_field, return_inverse=True)
        weights = np.bincount(inverse, weights=residuals, minlength=len(values))
        gradient = weights @ np.asarray(E[values], dtype=np.float64) if len(values) else np.zeros(E.shape[1])
        sigma = spectrum.sigma
        along = gradient @ spectrum.V
        alpha = np.divide(along, sigma, out=np.zeros_like(along), where=sigma > 0)
        terms[name] = FieldTerm(alpha=alpha, sigma=sigma, V=spectrum.V)
    return terms
