"""Base class of the interactions, in which the models of the paper differ.

Shapes: B batch, M sets, N fields, K embedding size, C columns of one set of a field's table (K, except in FFM).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from collapse.io.checkpoint.schema import MapsKey
from collapse.training.models.config import InteractionConfig, MLPConfig
from collapse.training.models.heads import Head, Tower


class Interaction(nn.Module, ABC):
    """The module I of Section 2: maps the embeddings of all fields in one set to one or several named streams.

    A subclass names its streams in `widths` and defines `forward`. The first line of its docstring is its formula.

    Parameters
    ----------
    n_fields : int
        Number of fields N.
    embedding_size : int
        Embedding size K.
    config : InteractionConfig
        Settings of the interaction, of type `config_class`.
    """

    reference: ClassVar[str] = ""
    """Publication of the interaction."""
    config_class: ClassVar[type[InteractionConfig]] = MLPConfig
    """Class of its settings. If an MLP follows, it is derived from `MLPConfig`."""
    head_class: ClassVar[type[Head]] = Tower
    """Class that combines its streams to the logit."""
    widths: dict[str, int]
    """Size of every stream, by name."""

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
            One embedding per field, shape (B, N, C).

        Returns
        -------
        dict of str to Tensor
            The streams h_s by name, each of shape (B, widths[s]). A stream that feeds an MLP may be padded with
            zeros.
        """

    @classmethod
    def of_sets(cls, interactions: Sequence[Self], e_MBNC: Tensor) -> dict[str, Tensor]:
        """Return the streams of all sets, for a batch so small that calls take longer than numbers.

        A subclass may replace it by one that calls each operator once for all sets.

        Parameters
        ----------
        interactions : sequence of Interaction
            The interactions of M sets.
        e_MBNC : Tensor
            Their embeddings, shape (M, B, N, C).

        Returns
        -------
        dict of str to Tensor
            The streams by name, each of shape (M, B, widths[s]).
        """
        found = [each(e_BNC) for each, e_BNC in zip(interactions, e_MBNC, strict=True)]
        return {s: torch.stack([streams[s] for streams in found]) for s in found[0]}

    @classmethod
    def columns(cls, n_fields: int, embedding_size: int) -> int:  # noqa: ARG003
        """Return the number of columns C of a field's table in one set."""
        return embedding_size

    @classmethod
    def has_linear_part(cls, config: InteractionConfig) -> bool:  # noqa: ARG003
        """Return whether the logit has an additional learned number per value."""
        return False

    @classmethod
    def has_projections(cls) -> bool:
        """Return whether it has projections W_{i->j}, that is, whether it defines `projections`."""
        return cls.projections is not Interaction.projections

    def projections(self) -> list[Tensor]:
        """Return W of every layer, shape (N K, N K), with blocks [j, i] = W_{i->j}; empty if there are none."""
        return []

    def penalty(self) -> Tensor | None:
        """Return the interaction's additional loss as a scalar; None if there is none."""
        return None

    def field_maps(self) -> tuple[MapsKey, ...]:
        """Return where the maps A_ij of E_i^{->j} = E_i A_ij are, with keys relative to this module."""
        return ()
