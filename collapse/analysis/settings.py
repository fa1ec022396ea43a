"""The settings that the numbers of an analysis depend on, recorded with them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from collapse.bounds import Index, NotNegative
from collapse.measures.random_matrix import DRAWS
from collapse.settings import Settings

FEWEST_DRAWS = 99
"""Of fewer the 1st percentile is the least of the draws."""
Rows = Literal["trained", "all", "frequency"]


@dataclass(frozen=True, kw_only=True)
class AnalysisSettings(Settings):
    """What enters a measure, and how."""

    rows: Rows = "trained"
    """Which rows of a table: those that training looked up at least once, or all where it is not known which those
    are; all, as in the paper; or all, each weighted by how often it was looked up, so that the Gram matrix is that
    of the embeddings as the model sees them."""
    centred: bool = False
    """Whether spectra are those of a table without its mean row."""
    near_zero: NotNegative = 1e-3
    """A row is near zero if its norm is below this times the largest row's."""
    draws: Annotated[int, Meta(ge=FEWEST_DRAWS)] = DRAWS
    """Random matrices drawn for E[IA(random)] and its percentiles, at least 99."""
    seed: Index = 0
    """Their seed."""
    layer: Index = 0
    """The layer, from 0, whose field maps enter; the paper takes the first."""


PAPER = AnalysisSettings(rows="all")
"""How the paper measures: all rows, uncentred."""
