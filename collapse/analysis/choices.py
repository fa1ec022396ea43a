"""The choices that the numbers of an analysis depend on, recorded with them."""

from dataclasses import dataclass
from typing import Literal, get_args

from collapse.errors import CollapseError
from collapse.measures.random_matrix import DRAWS

FEWEST_DRAWS = 99
Rows = Literal["trained", "all", "frequency"]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What enters a measure, and how."""

    rows: Rows = "trained"
    """Which rows of a table: those that training looked up at least once, or all where it is not known which those
    are; all, as in the paper; or all, each weighted by how often it was looked up, so that the Gram matrix is that
    of the embeddings as the model sees them."""
    centred: bool = False
    """Whether spectra are those of a table without its mean row."""
    near_zero: float = 1e-3
    """A row is near zero if its norm is below this times the largest row's."""
    draws: int = DRAWS
    """Random matrices drawn for E[IA(random)] and its percentiles, at least 99."""
    seed: int = 0
    """Their seed."""
    layer: int = 0
    """The layer, from 0, whose field maps enter; the paper takes the first."""

    def __post_init__(self) -> None:
        if self.rows not in get_args(Rows):
            raise CollapseError(f"rows is {self.rows!r}; it is one of {', '.join(get_args(Rows))}")
        if not self.near_zero >= 0:
            raise CollapseError(f"near_zero must be at least 0, got {self.near_zero}")
        if self.draws < FEWEST_DRAWS:
            raise CollapseError(f"draws must be at least {FEWEST_DRAWS} for a 1st percentile, got {self.draws}")


PAPER = Choices(rows="all")
"""How the paper measures: all rows, uncentred."""
