"""The layers that models share: the MLP's hidden layer, and the MLP behind a projection.

Shapes: B batch.
"""

from torch import nn

from collapse.training.model_config import ModelConfig
from collapse.training.models.dropout import Dropout


def hidden_layer(inputs: int, config: ModelConfig) -> nn.Sequential:
    """Build one hidden layer: linear, batch normalisation, ReLU, dropout.

    Parameters
    ----------
    inputs : int
        Size of the input.
    config : ModelConfig
        Gives the number of units and the dropout.

    Returns
    -------
    nn.Sequential
        From (B, inputs) to (B, hidden).
    """
    return nn.Sequential(
        nn.Linear(inputs, config.hidden),
        nn.BatchNorm1d(config.hidden),
        nn.ReLU(inplace=True),
        Dropout(config.dropout),
    )


def rest_of_mlp(config: ModelConfig) -> nn.Sequential:
    """Build the MLP without its first hidden layer, which is the projection before the mean over sets.

    Parameters
    ----------
    config : ModelConfig
        Gives the depth, the number of units and the dropout.

    Returns
    -------
    nn.Sequential
        From (B, hidden) to (B, 1).
    """
    hidden = (hidden_layer(config.hidden, config) for _ in range(config.depth - 2))
    return nn.Sequential(*hidden, nn.Linear(config.hidden, 1))
