"""What an interaction is: the part in which the models of the paper differ.

Shapes: B batch, N fields, K embedding size, C columns of one set of a field's table (K, but for FFM).
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from collapse.training.model_config import ModelConfig
from collapse.training.models.layers import hidden_layer, rest_of_mlp

MLP_OPTIONS = frozenset({"hidden", "depth", "dropout"})


class Interaction(nn.Module, ABC):
    """The module I of Section 2: all fields' embeddings of one set in, one feature vector out.

    A subclass sets `width` and defines `forward`; the rest has the paper's common form unless it says otherwise.

    Parameters
    ----------
    fields : int
        Number of fields N.
    config : ModelConfig
        The model's settings; the interaction takes its own from them.
    """

    reference: ClassVar[str] = ""
    """Who published it."""
    options: ClassVar[frozenset[str]] = MLP_OPTIONS
    """The settings of `ModelConfig` that not every model has and this one takes."""
    width: int
    """Size of the feature vector."""

    def __init__(self, fields: int, config: ModelConfig) -> None:
        super().__init__()
        self.fields = fields
        self.K = config.embedding_size

    @abstractmethod
    def forward(self, e_BNC: Tensor) -> Tensor:
        """Combine the embeddings of one set.

        Parameters
        ----------
        e_BNC : Tensor
            One embedding a field, shape (B, N, C).

        Returns
        -------
        Tensor
            The combined feature h, shape (B, width).
        """

    @classmethod
    def sub_embeddings(cls, fields: int) -> int:  # noqa: ARG003
        """Return how many tables of size K a field has side by side in one set: C / K."""
        return 1

    @classmethod
    def has_linear_part(cls, config: ModelConfig) -> bool:  # noqa: ARG003
        """Return whether the logit has one learned number a value added to it."""
        return False

    def projection(self, config: ModelConfig) -> nn.Module:
        """Build what follows h^(m) in each set before the mean over sets: a hidden layer (Section 5.1)."""
        return hidden_layer(self.width, config)

    def tower(self, config: ModelConfig) -> nn.Module:
        """Build what maps the mean over sets to the logit, shape (B, 1)."""
        return rest_of_mlp(config)

    def penalty(self) -> Tensor | None:
        """Return what this interaction adds to the loss, a scalar; None for nothing."""
        return None

    def projections(self) -> dict[int, str]:
        """Name the (N K, N K) tensors of the state dict that hold W_{i->j}, by layer; empty for none."""
        return {}

    def projection_factors(self) -> dict[int, str]:
        """Name the (N, N) tensors n[j, i] that multiply W_{i->j}, by layer; empty for none."""
        return {}
