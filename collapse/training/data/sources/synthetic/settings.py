"""Settings of a synthetic data set, in a module that imports fast, for the command line."""

import math
from dataclasses import dataclass
from typing import Literal

from collapse.bounds import Count, CountFrom0, Fraction, Positive
from collapse.errors import CollapseError
from collapse.settings import Settings

Published = Literal["criteo", "avazu"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Shape of a published data set (Table 4) and its fraction of positive labels."""

    rows: int
    fields: int
    largest: int
    smallest: int
    total: int
    positive: float


SHAPES: dict[str, Shape] = {
    "criteo": Shape(rows=45_840_617, fields=39, largest=190_000, smallest=4, total=1_080_000, positive=0.256),
    "avazu": Shape(rows=40_428_967, fields=22, largest=1_610_000, smallest=5, total=2_020_000, positive=0.170),
}


@dataclass(frozen=True, kw_only=True)
class SyntheticSettings(Settings):
    """Settings of the generated data; `Teacher` describes the generation."""

    shape: Published = "criteo"
    """Published data set whose fields, cardinalities and fraction of positive labels are imitated."""
    scale: Fraction = 1.0
    """Factor for the number of rows and for the cardinalities."""
    rows: CountFrom0 = 0
    """Number of rows. 0 means the published number times the scale."""
    rank: Count = 8
    """Rank R of the teacher's tables."""
    low_rank: Count = 1
    """Rank of the tables in the low-rank group, at most R."""
    signal: Positive = 2.0
    """Standard deviation of the teacher's logit."""
    seed: CountFrom0 = 0
    """Seed of the generated data."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.rows < 20:
            raise CollapseError(f"rows must be at least 20, or 0 for the published number, got {self.rows}")
        if self.low_rank > self.rank:
            raise CollapseError(f"low_rank must be at most rank, got {self.low_rank} and {self.rank}")
        of = SHAPES[self.shape]
        if self.scale * of.largest <= of.smallest or self.scale * of.total < of.fields * of.smallest:
            raise CollapseError(
                f"scale {self.scale:g} is too small: some fields would have fewer than {of.smallest} values"
            )

    @property
    def name(self) -> str:
        """Name of the data set, such as ``synthetic-criteo:0.01``."""
        return f"synthetic-{self.shape}" + (f":{self.scale:g}" if self.scale != 1 else "")

    @property
    def drawn_rows(self) -> int:
        """Number of rows."""
        return self.rows or int(SHAPES[self.shape].rows * self.scale)

    @property
    def bytes_on_disk(self) -> int:
        """Size of the prepared rows: four bytes per id and one per label."""
        return self.drawn_rows * (4 * SHAPES[self.shape].fields + 1)

    @property
    def cardinalities(self) -> list[int]:
        """Cardinalities D_i in ascending order, including the out-of-vocabulary row, which is unused."""
        of = SHAPES[self.shape]
        largest, total = int(of.largest * self.scale), int(of.total * self.scale)
        return log_spaced(of.fields, smallest=of.smallest, largest=largest, total=total)


def log_spaced(count: int, *, smallest: int, largest: int, total: int) -> list[int]:
    """Return cardinalities from `smallest` to `largest` that sum to about `total`.

    They are evenly spaced on a logarithmic scale that is bent by a power, found by bisection.
    """
    steps = [n / (count - 1) for n in range(count)]
    low, high = 0.01, 100.0
    # SciPy's root finders end one bit away from this, which would change the data set.
    for _ in range(100):
        power = math.sqrt(low * high)
        sizes = [round(smallest * (largest / smallest) ** (step**power)) for step in steps]
        low, high = (power, high) if sum(sizes) > total else (low, power)
    return sizes


def parse_synthetic(name: str) -> SyntheticSettings | None:
    """Parse a name such as ``synthetic-avazu:0.01``. Other names give None.

    Raises
    ------
    CollapseError
        If the shape is unknown or the scale is out of range.
    """
    if not name.startswith("synthetic-"):
        return None
    shape, _, scale = name.removeprefix("synthetic-").partition(":")
    try:
        factor = float(scale) if scale else 1.0
    except ValueError:
        raise CollapseError(f"the scale of {name!r} is {scale!r}, which is not a number") from None
    return SyntheticSettings(shape=shape, scale=factor)  # type: ignore[arg-type]
