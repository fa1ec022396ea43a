"""Settings that the results of an analysis depend on. They are recorded with the results."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from collapse.bounds import Index, NotNegative
from collapse.measures.random_matrix import DRAWS
from collapse.settings import Settings

FEWEST_DRAWS = 99
"""With fewer draws the 1st percentile would lie below the smallest of them."""
Rows = Literal["trained", "all", "frequency"]


@dataclass(frozen=True, kw_only=True)
class AnalysisSettings(Settings):
    """What is measured, and how."""

    rows: Rows = "trained"
    """Rows that are measured. ``"trained"``: those that training looked up at least once, or all if that is
    unknown. ``"all"``: all rows, as in the paper. ``"frequency"``: all rows, weighted by how often they were
    looked up, so that the Gram matrix is that of the embeddings as the model sees them."""
    centred: bool = False
    """Subtract the mean row from each table first."""
    near_zero: NotNegative = 1e-3
    """A row counts as near zero if its norm is below this fraction of the largest row norm."""
    draws: Annotated[int, Meta(ge=FEWEST_DRAWS)] = DRAWS
    """Number of random matrices drawn for E[IA(random)] and its percentiles."""
    seed: Index = 0
    """Seed of the random matrices."""
    layer: Index = 0
    """Index of the layer whose field maps are used. The paper uses the first."""


PAPER = AnalysisSettings(rows="all")
"""The paper's settings: all rows, not centred."""
