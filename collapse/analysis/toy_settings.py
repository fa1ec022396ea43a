"""Settings of the toy experiment (Appendix G), in a module that imports fast, for the command line."""

from dataclasses import dataclass, field

from collapse.bounds import Count, CountFrom0, Positive
from collapse.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ToySettings(Settings):
    """Settings of the toy experiment; the defaults are those of Appendix G."""

    cardinality: Count = 100
    """Cardinality of the first two fields, D_1 = D_2."""
    small: Count = 3
    """Cardinality D_3 of the third field in the case with low information abundance."""
    large: Count = 100
    """Cardinality D_3 of the third field in the other case."""
    embedding_size: Count = 10
    """Embedding size K. The paper gives none; 10 is its base size and lies between the two D_3."""
    learning_rate: Positive = 1.0
    """Learning rate of full-batch gradient descent on the mean binary cross-entropy."""
    iterations: Count = 5000
    """Number of gradient steps."""
    measure_every: Count = field(default=50, metadata={"former": "every"})
    """Number of steps between two measurements."""
    seeds: Count = 5
    """Number of independent repetitions."""
    first_seed: CountFrom0 = 0
    """Seed of the first repetition; the others use the following numbers."""
