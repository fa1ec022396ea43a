"""The settings of the toy experiment (Appendix G), apart from it so that a command line can show them at once."""

from dataclasses import dataclass

from collapse.settings import Settings, count, positive


@dataclass(frozen=True, kw_only=True)
class ToySettings(Settings):
    """The experiment's settings, Appendix G's by default."""

    cardinality: int = count(100)
    """D_1 = D_2."""
    small: int = count(3)
    """D_3 of the case in which E_3 has low information abundance."""
    large: int = count(100)
    """D_3 of the other."""
    embedding_size: int = count(10)
    """K. The paper gives none; 10 is its base size, between the two D_3."""
    learning_rate: float = positive(1.0)
    """Of full-batch gradient descent on the mean binary cross-entropy."""
    iterations: int = count(5000)
    """How many steps."""
    every: int = count(50)
    """Steps between two measurements."""
    seeds: int = count(5)
    """Independent repetitions."""
    first_seed: int = count(0, at_least=0)
    """The seed of the first; each next has the next."""
