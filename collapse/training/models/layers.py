"""Hidden layers of all MLPs.

Shapes: B batch, I inputs, H hidden units, M sets, U = M H units of all sets.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from collapse.training.models.config import MLPConfig
from collapse.training.models.kernels.dropout import Dropout
from collapse.training.models.kernels.padding import PaddedLinear


class HiddenLayer(nn.Sequential):
    """Linear, batch normalisation, ReLU, dropout: from (B, I), optionally padded with zero columns, to (B, H).

    Parameters
    ----------
    inputs : int
        Size I of the input.
    config : MLPConfig
        Settings with the number of units H and the dropout.
    """

    def __init__(self, inputs: int, config: MLPConfig) -> None:
        super().__init__(
            PaddedLinear(inputs, config.hidden),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(inplace=True),
            Dropout(config.dropout),
        )


def hidden_of_sets(layers: Sequence[HiddenLayer], x_MBI: Tensor) -> Tensor:
    """Apply one hidden layer per set, and all but the products to the units of all sets at once.

    With few rows this is faster than one set after another, because every call then takes longer than its numbers.

    Parameters
    ----------
    layers : sequence of HiddenLayer
        The layers of M sets.
    x_MBI : Tensor
        Their inputs, shape (M, B, I).

    Returns
    -------
    Tensor
        Their outputs, shape (M, B, H), up to rounding the same as one after another.
    """
    # One product per set: stacking the weights would copy them, which takes longer than the calls.
    y_BU = torch.cat([layer[0](x_BI) for layer, x_BI in zip(layers, x_MBI, strict=True)], dim=1)
    norms: Any = [layer[1] for layer in layers]
    y_BU = _normalised(norms, y_BU)
    y_BU = layers[0][3](layers[0][2](y_BU))
    y_MBH: Tensor = y_BU.view(len(y_BU), len(layers), -1).transpose(0, 1)
    return y_MBH


def projected_of_sets(projections: Sequence[nn.Module], h_MBC: Tensor) -> Tensor:
    """Apply one projection per set: an identity, a hidden layer, a stack of hidden layers, or any other module.

    Parameters
    ----------
    projections : sequence of nn.Module
        The projections of M sets, all of the same kind.
    h_MBC : Tensor
        Their inputs, shape (M, B, C).

    Returns
    -------
    Tensor
        Their outputs, shape (M, B, ...).
    """
    first = projections[0]
    if isinstance(first, nn.Identity):
        return h_MBC
    if isinstance(first, HiddenLayer):
        return hidden_of_sets(projections, h_MBC)  # type: ignore[arg-type]
    if isinstance(first, nn.Sequential):
        for layers in zip(*projections, strict=True):
            h_MBC = projected_of_sets(layers, h_MBC)
        return h_MBC
    return torch.stack([each(h_BC) for each, h_BC in zip(projections, h_MBC, strict=True)])


def _normalised(norms: Sequence[nn.BatchNorm1d], x_BU: Tensor) -> Tensor:
    """Normalise the units of all sets, and update the running statistics of every set in training."""
    statistics: list[Tensor] = [
        *(each.running_mean for each in norms),  # type: ignore[list-item]
        *(each.running_var for each in norms),  # type: ignore[list-item]
    ]
    mean_U, variance_U = torch.cat(statistics).chunk(2)
    first = norms[0]
    y_BU = F.batch_norm(
        x_BU,
        mean_U,
        variance_U,
        torch.cat([each.weight for each in norms]),
        torch.cat([each.bias for each in norms]),
        first.training,
        first.momentum or 0.0,
        first.eps,
    )
    if first.training:
        with torch.no_grad():
            torch._foreach_copy_(statistics, [*mean_U.chunk(len(norms)), *variance_U.chunk(len(norms))])
            for each in norms:
                each.num_batches_tracked.add_(1)  # type: ignore[union-attr]
    return y_BU


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
    return nn.Sequential(*(HiddenLayer(inputs if n == 0 else config.hidden, config) for n in range(layers)))
