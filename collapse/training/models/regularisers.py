"""Penalties on the projections W_{i->j}: that of Evidence III, and the norm alignment of Figure 10.

Shapes: N fields, K embedding size, M sets.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from collapse.training.models.kernels.unitary import UnitaryPenalty


def unitary_penalty(W: Tensor, lambda_NN: Tensor) -> Tensor:
    """Measure how far every W_{i->j} is from a multiple of a unitary matrix.

    sum_ij ||W_ij^T W_ij - lambda_ij I||_F^2 (Section 4.2, Evidence III; Appendix K for every set of ME). With
    lambda_ij = 1 it is also the penalty of the paper's code, which has W_ij W_ij^T: the two products of a square
    block have the same eigenvalues.

    Parameters
    ----------
    W : Tensor
        All projections of one layer, shape (N K, N K), acting as y = W x.
    lambda_NN : Tensor
        lambda[j, i] for W_{i->j}, shape (N, N).

    Returns
    -------
    Tensor
        A scalar, which is 0 if and only if every block is sqrt(lambda_ij) times a unitary matrix.
    """
    penalty: Tensor = UnitaryPenalty.apply(W, lambda_NN)  # type: ignore[no-untyped-call]
    return penalty


def block_norms(W: Tensor, fields: int) -> Tensor:
    """Return ||W_{i->j}||_F of every block, the interaction pattern of Figure 10b.

    Parameters
    ----------
    W : Tensor
        All projections of one layer, shape (N K, N K).
    fields : int
        Number of fields N.

    Returns
    -------
    Tensor
        The norms, shape (N, N), indexed [j, i].
    """
    K = len(W) // fields
    norms: Tensor = torch.linalg.vector_norm(W.view(fields, K, fields, K), dim=(1, 3))
    return norms


def alignment_penalty(W_sets: Sequence[Tensor], fields: int) -> Tensor:
    """Measure how much the sets' interaction patterns differ (Section 5.3, variant b).

    sum_m sum_ij (||W_ij^(m)||_F - mean_m ||W_ij^(m)||_F)^2. The paper says that regularisation restricts the
    divergence of the norms, and gives no formula.

    Parameters
    ----------
    W_sets : sequence of Tensor
        The projections of one layer in every set, each of shape (N K, N K).
    fields : int
        Number of fields N.

    Returns
    -------
    Tensor
        A scalar, which is 0 if and only if all sets have the same norms.
    """
    norms_MNN = torch.stack([block_norms(W, fields) for W in W_sets])
    return (norms_MNN - norms_MNN.mean(0)).square().sum()
