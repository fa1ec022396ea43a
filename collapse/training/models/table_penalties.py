"""Penalties against collapse from the literature, on the embeddings that a batch looks up.

Each is smallest if a field's embeddings fill their K directions evenly. They use what the batch looks up, so rows
count as often as they occur. A field with a single value in the batch adds a constant.

Shapes: B batch, N fields, K columns of a field in one set.
"""

from collections.abc import Callable
from typing import get_args

import torch
from torch import Tensor

from collapse.training.models.config import TablePenalty

_PAIRS = 128
"""Rows of a batch whose pairs are compared. The number of pairs grows quadratically: 128 rows give 8,128 per
field."""
_EPSILON = 1e-12
"""Keeps gradients finite if all rows are equal."""


def spectral(e_BNK: Tensor) -> Tensor:
    """Measure how few directions hold the energy: mean over fields of sum sigma^4 / (sum sigma^2)^2.

    This is the inverse of the participation ratio, computed from the Gram matrix G = E^T E of the looked-up rows
    as tr(G^2) / tr(G)^2.

    Parameters
    ----------
    e_BNK : Tensor
        The embeddings, shape (B, N, K).

    Returns
    -------
    Tensor
        A scalar from 1 / K (all singular values equal) to 1 (rank one). It is invariant under scaling and
        rotation.
    """
    G_NKK = torch.einsum("bnk,bnl->nkl", e_BNK, e_BNK)
    trace_N = G_NKK.diagonal(dim1=1, dim2=2).sum(-1)
    return (G_NKK.square().sum((1, 2)) / (trace_N.square() + _EPSILON**2)).mean()


def vicreg(e_BNK: Tensor) -> Tensor:
    """Make columns vary equally and independently: the variance and covariance terms of VICReg.

    mean_k max(0, 1 - std_k) + sum_{k != l} C_kl^2 / K, with the columns divided by the root mean variance of the
    field, because embeddings of clicks have no natural scale (the original uses 1). The gradient therefore leaves
    the scale of a field unchanged.

    Parameters
    ----------
    e_BNK : Tensor
        The embeddings, shape (B, N, K).

    Returns
    -------
    Tensor
        A non-negative scalar, which is 0 if the covariance is a multiple of the identity.

    References
    ----------
    Bardes, Ponce and LeCun, VICReg, ICLR 2022, equations 1 to 4.
    """
    K = e_BNK.shape[2]
    x_BNK = e_BNK - e_BNK.mean(0)
    scale_N1 = x_BNK.square().mean((0, 2)).add(_EPSILON).sqrt()[:, None]
    x_BNK = x_BNK / scale_N1
    C_NKK = torch.einsum("bnk,bnl->nkl", x_BNK, x_BNK) / max(len(x_BNK) - 1, 1)
    variances_NK = C_NKK.diagonal(dim1=1, dim2=2)
    hinge = torch.relu(1 - variances_NK.add(1e-4).sqrt()).mean()
    covariance = (C_NKK.square().sum((1, 2)) - variances_NK.square().sum(-1)).mean() / K
    return hinge + covariance


def uniformity(e_BNK: Tensor) -> Tensor:
    """Push the directions of different rows apart: mean over fields of log mean_{a, b} exp(-2 ||u_a - u_b||^2).

    Parameters
    ----------
    e_BNK : Tensor
        The embeddings, shape (B, N, K). Only the first 128 rows of the batch are used.

    Returns
    -------
    Tensor
        A scalar of at most 0, which is 0 if all rows have the same direction.

    References
    ----------
    Wang and Isola, Understanding contrastive representation learning through alignment and uniformity on the
    hypersphere, ICML 2020; for recommenders Wang et al., DirectAU, KDD 2022.
    """
    x_NAK = e_BNK[:_PAIRS].transpose(0, 1)
    u_NAK = x_NAK / x_NAK.square().sum(-1, keepdim=True).add(_EPSILON).sqrt()
    # ||u_a - u_b||^2 = 2 - 2 u_a . u_b
    squares_NAA = 2 - 2 * (u_NAK @ u_NAK.mT)
    return squares_NAA.mul(-2).exp().mean((1, 2)).log().mean()


_PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {
    "spectral": spectral,
    "vicreg": vicreg,
    "uniformity": uniformity,
}
assert {"none", *_PENALTIES} == set(get_args(TablePenalty))


def table_penalty(kind: TablePenalty, sets: tuple[Tensor, ...]) -> Tensor:
    """Sum a penalty over the sets of a model.

    Parameters
    ----------
    kind : str
        Name of the penalty, not ``none``.
    sets : tuple of Tensor
        The embeddings of a batch, one tensor of shape (B, N, K) per set.
    """
    return torch.stack([_PENALTIES[kind](e_BNK.float()) for e_BNK in sets]).sum()
