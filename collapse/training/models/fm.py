"""Factorization machine, on which Section 4.1 derives the interaction-collapse theory.

Shapes: B batch, N fields, K embedding size.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from collapse.training.model_config import ModelConfig
from collapse.training.models.interaction import Interaction


class Bias(nn.Module):
    """A combined feature that is the logit already, up to a learned constant."""

    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, h_B1: Tensor) -> Tensor:
        """Return h + b, shape (B, 1)."""
        return h_B1 + self.b


class ScalarInteraction(Interaction):
    """An interaction whose feature is the logit: no projection and no MLP; sets are averaged."""

    options: ClassVar[frozenset[str]] = frozenset()
    width = 1

    def projection(self, config: ModelConfig) -> nn.Module:  # noqa: ARG002
        """Build nothing: h^(m) is averaged as it is."""
        return nn.Identity()

    def tower(self, config: ModelConfig) -> nn.Module:  # noqa: ARG002
        """Build the bias alone."""
        return Bias()


class FM(ScalarInteraction):
    """h = sum_{j < i} <e_i, e_j> = (||sum_i e_i||^2 - sum_i ||e_i||^2) / 2.

    As Section 4.1 writes it, without a linear part. It is bilinear: by Appendix E, M sets are one set of size M K,
    up to the factor 1 / M of the mean.
    """

    reference: ClassVar[str] = "Rendle, ICDM 2010"

    def forward(self, e_BNC: Tensor) -> Tensor:
        """Return h, shape (B, 1)."""
        return (e_BNC.sum(1).square().sum(1, keepdim=True) - e_BNC.flatten(1).square().sum(1, keepdim=True)) / 2
