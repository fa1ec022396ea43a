"""What models there are, with their size at Criteo's shape."""

import inspect
from typing import Any

import torch

from collapse.training.model_config import ModelConfig
from collapse.training.models import MultiEmbeddingModel
from collapse.training.registry import interaction_class, model_names

CRITEO_FIELDS, CRITEO_ROWS = 39, 1_080_000


def list_models() -> list[dict[str, Any]]:
    """Describe every registered model.

    Returns
    -------
    list of dict
        ``model``, ``name`` of its baseline with the size, ``formula`` (the first line of the class's docstring),
        ``reference``, ``parameters`` at Criteo's shape (Table 4: 39 fields, 1.08 M rows of tables) and
        ``embedding_share`` of them; ``error`` is None, or why a model of another package cannot be had.
    """
    return [_described(model) for model in model_names()]


def _described(model: str) -> dict[str, Any]:
    config = ModelConfig(model=model)
    unknown = dict.fromkeys(("formula", "reference", "parameters", "embedding_share"))
    found: dict[str, Any] = {"model": model, "name": config.name, **unknown, "error": None}
    try:
        kind = interaction_class(model)
        parameters, embeddings = count_parameters(config)
    except Exception as error:  # noqa: BLE001  (another's constructor may raise anything)
        return {**found, "error": str(error)}
    return {
        **found,
        "formula": (inspect.cleandoc(kind.__doc__ or "")).partition("\n")[0],
        "reference": kind.reference,
        "parameters": parameters,
        "embedding_share": embeddings / parameters,
    }


def count_parameters(config: ModelConfig) -> tuple[int, int]:
    """Count a model's parameters at Criteo's shape, without making them.

    Parameters
    ----------
    config : ModelConfig
        The model's settings.

    Returns
    -------
    parameters : int
        All of them.
    embeddings : int
        Those of the embedding tables.
    """
    # Only the sum of the cardinalities counts.
    rows, rest = divmod(CRITEO_ROWS, CRITEO_FIELDS)
    with torch.device("meta"):
        model = MultiEmbeddingModel([rows] * (CRITEO_FIELDS - 1) + [rows + rest], config)
    return sum(parameter.numel() for parameter in model.parameters()), model.embedding.weight.numel()
