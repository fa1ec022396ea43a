"""What an interaction is, and the names of those that there are.

Shapes: B batch, N fields, K embedding size.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from collapse.errors import CollapseError
from collapse.training.config import ModelConfig


class Interaction(nn.Module, ABC):
    """The module I of Section 2: all fields' embeddings of one set in, one feature vector out.

    Parameters
    ----------
    fields : int
        Number of fields N.
    config : ModelConfig
        The model's settings; the interaction takes its own from them.
    """

    width: int
    """Size of the feature vector."""

    def __init__(self, fields: int, config: ModelConfig) -> None:
        super().__init__()
        self.fields = fields
        self.K = config.K

    @abstractmethod
    def forward(self, e_BNK: Tensor) -> Tensor:
        """Combine the embeddings of one set.

        Parameters
        ----------
        e_BNK : Tensor
            One embedding a field, shape (B, N, K).

        Returns
        -------
        Tensor
            The combined feature h, shape (B, width).
        """

    def projections(self) -> dict[int, str]:
        """Name the (N K, N K) parameters that hold W_{i->j}, by layer; empty where there are none."""
        return {}


_INTERACTIONS: dict[str, type[Interaction]] = {}


def register(name: str) -> Callable[[type[Interaction]], type[Interaction]]:
    """Make an interaction known under the name that `ModelConfig.model` and ``--model`` take."""

    def known(interaction: type[Interaction]) -> type[Interaction]:
        _INTERACTIONS[name] = interaction
        return interaction

    return known


def build_interaction(fields: int, config: ModelConfig) -> Interaction:
    """Build the interaction that a model's settings name.

    Parameters
    ----------
    fields : int
        Number of fields N.
    config : ModelConfig
        The model's settings.

    Returns
    -------
    Interaction
        A fresh interaction, its weights drawn from torch's generator.

    Raises
    ------
    CollapseError
        If there is none of that name.
    """
    if config.model not in _INTERACTIONS:
        raise CollapseError(f"there is no model {config.model!r}; there are: {', '.join(sorted(_INTERACTIONS))}")
    return _INTERACTIONS[config.model](fields, config)
