"""Hidden layers of all MLPs.

Shapes: B batch, H hidden units.
"""

from torch import nn

from collapse.training.models.config import MLPConfig
from collapse.training.models.kernels.dropout import Dropout
from collapse.training.models.kernels.padding import PaddedLinear


def hidden_layer(inputs: int, config: MLPConfig) -> nn.Sequential:
    """Build one hidden layer: linear, batch normalisation, ReLU, dropout.

    Parameters
    ----------
    inputs : int
        Size of the input.
    config : MLPConfig
        Settings with the number of units H and the dropout.

    Returns
    -------
    nn.Sequential
        From (B, inputs), optionally padded with zero columns, to (B, H).
    """
    return nn.Sequential(
        PaddedLinear(inputs, config.hidden),
        nn.BatchNorm1d(config.hidden),
        nn.ReLU(inplace=True),
        Dropout(config.dropout),
    )


def hidden_layers(inputs: int, config: MLPConfig, layers: int) -> nn.Sequential:
    """Build a stack of hidden layers.

    Parameters
    ----------
    inputs : int
        Size of the first input.
    config : MLPConfig
        Settings with the number of units H and the dropout.
    layers : int
        Number of layers. With 0, the stack is the identity.

    Returns
    -------
    nn.Sequential
        From (B, inputs) to (B, H).
    """
    return nn.Sequential(*(hidden_layer(inputs if n == 0 else config.hidden, config) for n in range(layers)))
