"""Dropout with a cheap mask on CPUs."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WORD = 16
"""Bits of randomness per unit. Four units share a 64-bit word."""


class Dropout(nn.Module):
    """Inverted dropout: each unit is set to zero with probability p, and the others are scaled by 1 / (1 - p).

    On a CPU torch draws Bernoulli numbers one after another on one thread. Here one 64-bit random word serves four
    units, so p is rounded to a multiple of 2^-16.

    Parameters
    ----------
    p : float
        Probability of dropping a unit, at least 0 and less than 1.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of `x` in training; return it unchanged otherwise.

        Parameters
        ----------
        x : Tensor
            Any shape.

        Returns
        -------
        Tensor
            The same shape.
        """
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        units = words.view(torch.int16)[: x.numel()].view(x.shape)
        dropped = round(self.p * 2**_WORD)
        # In place, because a comparison that makes Booleans is not vectorised.
        keep = units.ge_(dropped - 2 ** (_WORD - 1)).to(x.dtype)
        kept: Tensor = x * keep.mul_(1 / (1 - dropped / 2**_WORD))
        return kept
