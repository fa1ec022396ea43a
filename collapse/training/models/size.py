"""How large a model is, without making it."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from collapse.errors import CollapseError
from collapse.training.models.config import ModelConfig
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.registry import interaction_class

_BYTES = 4


def table_bytes(cardinalities: Sequence[int], config: ModelConfig) -> int:
    """Return the bytes of all embedding tables in float32."""
    kind = interaction_class(config.model)
    return sum(cardinalities) * kind.columns(len(cardinalities), config.embedding_size) * config.sets * _BYTES


def model_bytes(cardinalities: Sequence[int], config: ModelConfig) -> int:
    """Return the bytes of all parameters in float32: the tables', and the others' as one and two sets have them.

    Parameters
    ----------
    cardinalities : sequence of int
        Rows D_i of every field's table.
    config : ModelConfig
        The model's settings.

    Returns
    -------
    int
        The bytes.

    Raises
    ------
    CollapseError
        If one tensor alone is larger than an address can tell.
    """
    # Two rows a table: a model on the meta device has shapes and no memory.
    few = [2] * len(cardinalities)

    def rest(sets: int) -> int:
        common = replace(config, sets=sets, interactions=config.interactions if sets > 1 else "separate")
        with torch.device("meta"):
            model = MultiEmbeddingModel(few, common)
        return sum(each.numel() for each in model.parameters()) * _BYTES - table_bytes(few, common)

    try:
        one = rest(1)
        more = (rest(2) - one) * (config.sets - 1) if config.sets > 1 else 0
    except RuntimeError as error:
        raise CollapseError(f"{config.name} is too large: {str(error).partition('.')[0]}") from error
    return table_bytes(cardinalities, config) + one + more
