"""The choices that the numbers of an analysis depend on, recorded with them."""

from dataclasses import dataclass
from typing import Literal, get_args

from collapse.errors import CollapseError

Rows = Literal["all", "seen", "frequency"]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What enters a measure, and how."""

    rows: Rows = "all"
    """Which rows of a table: all, as the paper has it; those looked up in training at least once; or all, each
    weighted by how often it was, so that the Gram matrix is that of the embeddings as the model sees them."""
    near_zero: float = 1e-3
    """A row is near zero if its norm is below this times the largest row's."""
    draws: int = 64
    """Random matrices drawn for E[IA(random)]."""
    seed: int = 0
    """Their seed."""
    layer: int = 0
    """The layer, from 0, whose field maps enter; the paper takes the first."""

    def __post_init__(self) -> None:
        if self.rows not in get_args(Rows):
            raise CollapseError(f"rows is {self.rows!r}; it is one of {', '.join(get_args(Rows))}")
        if self.near_zero < 0 or self.draws < 1:
            raise CollapseError(f"near_zero is {self.near_zero} and draws {self.draws}; they are at least 0 and 1")
