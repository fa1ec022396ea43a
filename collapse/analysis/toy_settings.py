"""The settings of the toy experiment (Appendix G), apart from it so that a command line can show them at once."""

from dataclasses import dataclass, field

from collapse.bounds import Count, CountFrom0, Positive
from collapse.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ToySettings(Settings):
    """The experiment's settings, Appendix G's by default."""

    cardinality: Count = 100
    """D_1 = D_2."""
    small: Count = 3
    """D_3 of the case in which E_3 has low information abundance."""
    large: Count = 100
    """D_3 of the other."""
    embedding_size: Count = 10
    """K. The paper gives none; 10 is its base size, between the two D_3."""
    learning_rate: Positive = 1.0
    """Of full-batch gradient descent on the mean binary cross-entropy."""
    iterations: Count = 5000
    """How many steps."""
    measure_every: Count = field(default=50, metadata={"former": "every"})
    """Steps between two measurements."""
    seeds: Count = 5
    """Independent repetitions."""
    first_seed: CountFrom0 = 0
    """The seed of the first; each next has the next."""
