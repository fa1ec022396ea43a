"""How large a model is, without making it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from collapse.errors import CollapseError
from collapse.training.models.config import ModelConfig
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.registry import interaction_class

_BYTES = 4


@contextmanager
def shapes_alone(config: ModelConfig) -> Iterator[None]:
    """Have all that is made in the block have a shape and no memory.

    Raises
    ------
    CollapseError
        If one tensor of the model is larger than an address can tell.
    """
    try:
        with torch.device("meta"):
            yield
    except RuntimeError as error:
        if "overflow" not in str(error):
            raise
        raise CollapseError(f"{config.name} is too large: {str(error).partition('.')[0]}") from error


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
    # Two rows a table: what is left beside the tables does not depend on them.
    few = [2] * len(cardinalities)

    def rest(sets: int) -> int:
        common = replace(config, sets=sets, interactions=config.interactions if sets > 1 else "separate")
        with shapes_alone(common):
            model = MultiEmbeddingModel(few, common)
        return sum(each.numel() for each in model.parameters()) * _BYTES - table_bytes(few, common)

    try:
        one = rest(1)
        more = (rest(2) - one) * (config.sets - 1) if config.sets > 1 else 0
    except RuntimeError:
        # A model of one's own may look at numbers as it is made, which shapes alone do not have.
        return table_bytes(cardinalities, config)
    return table_bytes(cardinalities, config) + one + more
