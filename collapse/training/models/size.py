"""The size of a model, computed without allocating it."""

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
    """Give everything that is built in the block a shape but no memory.

    Raises
    ------
    CollapseError
        If a tensor of the model is too large to be addressed.
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
    if sizes := config.size_of_fields:
        numbers = sum(D * k for D, k in zip(cardinalities, sizes, strict=False))
        return numbers * config.sets * _BYTES
    return sum(cardinalities) * kind.columns(len(cardinalities), config.embedding_size) * config.sets * _BYTES


def model_bytes(cardinalities: Sequence[int], config: ModelConfig) -> int:
    """Return the bytes of all parameters in float32, counted on one and two sets.

    Parameters
    ----------
    cardinalities : sequence of int
        Rows D_i of every field's table.
    config : ModelConfig
        Settings of the model.

    Returns
    -------
    int
        The bytes.

    Raises
    ------
    CollapseError
        If a single tensor is too large to be addressed.
    """
    # Two rows per table, because the rest of the model does not depend on the tables.
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
        # A user's model may look at numbers when it is built, which tensors without memory do not have.
        return table_bytes(cardinalities, config)
    return table_bytes(cardinalities, config) + one + more
