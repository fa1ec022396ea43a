"""The one model and the interactions that it holds; importing this package makes their names known."""

from collapse.training.models import dcnv2  # noqa: F401  (registers itself)
from collapse.training.models.interaction import Interaction
from collapse.training.models.model import MultiEmbeddingModel

__all__ = ["Interaction", "MultiEmbeddingModel"]
