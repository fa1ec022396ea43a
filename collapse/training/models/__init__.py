"""The one model, and what every interaction in it is."""

from collapse.training.models.interaction import Interaction
from collapse.training.models.model import MultiEmbeddingModel

__all__ = ["Interaction", "MultiEmbeddingModel"]
