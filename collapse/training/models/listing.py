"""The list of models, with their settings and their sizes at Criteo's shape."""

import inspect
from typing import Any

from collapse.settings import Setting
from collapse.training.models.config import ModelConfig
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.registry import interaction_class, model_config, model_names, model_settings
from collapse.training.models.size import shapes_alone

CRITEO_FIELDS, CRITEO_ROWS = 39, 1_080_000


def list_models() -> list[dict[str, Any]]:
    """Describe all registered models.

    Returns
    -------
    list of dict
        Results of `describe_model`. If a model of another package cannot be loaded, ``error`` is the reason and
        the other values are None.
    """
    found = []
    for model in model_names():
        try:
            found.append({**describe_model(model), "error": None})
        except Exception as error:  # noqa: BLE001  (another's constructor may raise anything)
            found.append({"model": model, "error": str(error)})
    return found


def describe_model(model: str) -> dict[str, Any]:
    """Describe one model.

    Parameters
    ----------
    model : str
        A registered name, or ``module:Class``.

    Returns
    -------
    dict
        ``model``, the ``name`` of its baseline with the size, ``formula`` (the first line of the class's
        docstring), ``about`` (the rest of it), ``reference``, ``parameters`` at Criteo's shape (Table 4: 39
        fields, 1.08 million table rows), ``embedding_share`` (the fraction of them in tables), and ``settings``,
        one dict each with name, default, choices and help.

    Raises
    ------
    CollapseError
        If the model does not exist.
    """
    kind, config = interaction_class(model), model_config(model)
    parameters, embeddings = count_parameters(config)
    formula, _, about = inspect.cleandoc(kind.__doc__ or "").partition("\n")
    return {
        "model": model,
        "name": config.name,
        "formula": formula,
        "about": about.strip(),
        "reference": kind.reference,
        "parameters": parameters,
        "embedding_share": embeddings / parameters,
        "settings": [
            {
                "name": item.name,
                "default": _default(item, config),
                "choices": list(item.choices),
                "help": item.help,
            }
            for item in model_settings(kind)
        ],
    }


def _default(item: Setting, config: ModelConfig) -> Any:
    return config.embedding_size if item.name == "embedding_size" else item.default


def count_parameters(config: ModelConfig) -> tuple[int, int]:
    """Count a model's parameters at Criteo's shape without allocating them.

    Returns
    -------
    parameters : int
        Number of all parameters.
    embeddings : int
        Number of parameters in embedding tables.
    """
    # Only the sum of the cardinalities matters.
    rows, rest = divmod(CRITEO_ROWS, CRITEO_FIELDS)
    with shapes_alone(config):
        model = MultiEmbeddingModel([rows] * (CRITEO_FIELDS - 1) + [rows + rest], config)
    return sum(parameter.numel() for parameter in model.parameters()), sum(
        each.numel() for each in model.embedding.parameters()
    )
