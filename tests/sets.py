"""Helpers for tests of models: streams without appended zeros, and sets with equal weights."""

from typing import Any

import torch
from torch import Tensor


def streams(interaction: Any, e_BNC: Tensor) -> dict[str, Tensor]:
    """Return an interaction's streams without appended zeros, after checking that these are zeros."""
    found = interaction(e_BNC)
    assert set(found) == set(interaction.widths)
    for stream, width in interaction.widths.items():
        assert found[stream].shape[0] == len(e_BNC)
        assert found[stream].shape[1] >= width
        assert not found[stream][:, width:].any()
    return {stream: found[stream][:, :width] for stream, width in interaction.widths.items()}


def give_every_set(multi: Any, single: Any) -> None:
    """Copy the weights of a single-embedding model into every set of a multi-embedding model."""
    with torch.no_grad():
        multi.embedding.weight.copy_(single.embedding.weight.repeat(1, len(multi.interactions)))
    for interaction, projection in zip(multi.interactions, multi.projections, strict=True):
        interaction.load_state_dict(single.interactions[0].state_dict())
        projection.load_state_dict(single.projections[0].state_dict())
    multi.head.load_state_dict(single.head.state_dict())
