"""What an interaction is: the part in which the models of the paper differ.

Shapes: B batch, N fields, K embedding size, C columns of one set of a field's table (K, but for FFM).
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from collapse.io.checkpoint.schema import MapsKey
from collapse.training.models.config import InteractionConfig, MLPConfig
from collapse.training.models.heads import Head, Tower


class Interaction(nn.Module, ABC):
    """The module I of Section 2: all fields' embeddings of one set in, one or several named streams out.

    A subclass names its streams in `widths` and defines `forward`. Its first docstring line is its formula.

    Parameters
    ----------
    n_fields : int
        Number of fields N.
    embedding_size : int
        Embedding size K.
    config : InteractionConfig
        The interaction's own settings, a `config_class`.
    """

    reference: ClassVar[str] = ""
    """Who published it."""
    config_class: ClassVar[type[InteractionConfig]] = MLPConfig
    """The class of its settings; with an MLP behind it they are `MLPConfig`'s and more."""
    head_class: ClassVar[type[Head]] = Tower
    """What combines its streams to the logit."""
    widths: dict[str, int]
    """The size of every stream, by its name."""

    def __init__(self, n_fields: int, embedding_size: int, config: InteractionConfig) -> None:  # noqa: ARG002
        super().__init__()
        self.n_fields = n_fields
        self.K = embedding_size

    @abstractmethod
    def forward(self, e_BNC: Tensor) -> dict[str, Tensor]:
        """Combine the embeddings of one set.

        Parameters
        ----------
        e_BNC : Tensor
            One embedding a field, shape (B, N, C).

        Returns
        -------
        dict of str to Tensor
            The streams h_s by name, each of shape (B, widths[s]); one that feeds an MLP may go on with zeros.
        """

    @classmethod
    def columns(cls, n_fields: int, embedding_size: int) -> int:  # noqa: ARG003
        """Return how many columns C of its table a field has in one set."""
        return embedding_size

    @classmethod
    def has_linear_part(cls, config: InteractionConfig) -> bool:  # noqa: ARG003
        """Return whether the logit has one learned number a value added to it."""
        return False

    @classmethod
    def has_projections(cls) -> bool:
        """Return whether it has projections W_{i->j}: whether it defines `projections`."""
        return cls.projections is not Interaction.projections

    def projections(self) -> list[Tensor]:
        """Return W of every layer, shape (N K, N K), block [j, i] being W_{i->j} (Section 4.1); empty for none."""
        return []

    def penalty(self) -> Tensor | None:
        """Return what this interaction adds to the loss, a scalar; None for nothing."""
        return None

    def field_maps(self) -> tuple[MapsKey, ...]:
        """Say where the maps A_ij of E_i^{->j} = E_i A_ij lie, keys relative to this module; empty for none."""
        return ()
