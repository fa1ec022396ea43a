"""The settings of the one model, and its name: derived from them and parsed back.

The defaults are the settings of Section 5.2 and Appendix C.2.
"""

import re
from dataclasses import dataclass
from math import inf
from typing import Any

from collapse.errors import CollapseError

INTERACTIONS = ("separate", "shared", "aligned")
READINGS = ("text", "code")

_BASE_SIZE = 10
_OTHER_BASE_SIZES = {"nfwfm": 50, "ffm": 8}


def base_size(model: str) -> int:
    """Return the embedding size that is scaled up: Appendix C.2's, and for FFM the paper's code's."""
    return _OTHER_BASE_SIZES.get(model, _BASE_SIZE)


def require(holds: bool, what: str) -> None:
    """Raise `what` as a CollapseError unless it holds."""
    if not holds:
        raise CollapseError(what)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The one model: an interaction, its embedding size and sets, the MLP, and the paper's variants."""

    model: str = "dcnv2"
    """The interaction: a name that `collapse models` lists, or ``module:Class`` for one of your own."""
    embedding_size: int = 0
    """K of one set; 0 stands for the model's base size (Appendix C.2: 50 for NFwFM, 10 for others; FFM: 8)."""
    sets: int = 1
    """The number of embedding sets M: multi-embedding (ME) scaling (Section 5.1)."""
    interactions: str = "separate"
    """Of the sets of ME: ``separate``, one ``shared`` by all, or ``aligned`` in their norms (Figures 10c, 10d)."""
    hidden: int = 400
    """Units of every hidden layer of the MLP."""
    depth: int = 3
    """Layers of the MLP with its output layer; with the projection of ME counted as its first."""
    dropout: float = 0.2
    """Share of hidden units dropped; the paper's code has 0.2, its text is silent."""
    cross_layers: int = 4
    """Cross layers of DCNv2."""
    regularised: bool = False
    """Whether DCNv2's projections are drawn to multiples of unitary matrices (Section 4.2, Evidence III)."""
    penalty_weight: float = 0.0
    """Of the penalty of `regularised` (0 stands for 1e-5, as in the paper's code) or ``aligned`` (1e-3)."""
    reading: str = "text"
    """Where the paper's text and its code differ: ``text`` or ``code``; the models' docstrings tell."""

    def __post_init__(self) -> None:
        if self.embedding_size == 0:
            object.__setattr__(self, "embedding_size", base_size(self.model))
        if self.penalty_weight == 0:
            weight = 1e-3 if self.interactions == "aligned" and not self.regularised else 1e-5
            object.__setattr__(self, "penalty_weight", weight)
        for name in ("embedding_size", "sets", "cross_layers", "hidden"):
            value = getattr(self, name)
            require(value >= 1, f"{name} is {value}; it is a count of 1 or more")
        require(self.depth >= 2, f"depth is {self.depth}; the MLP has a hidden and an output layer at least")
        require(0 <= self.dropout < 1, f"dropout is {self.dropout}; it is a share from 0 to less than 1")
        require(
            0 < self.penalty_weight < inf, f"penalty_weight is {self.penalty_weight}; it is above 0 and finite"
        )
        for name, known in (("interactions", INTERACTIONS), ("reading", READINGS)):
            value = getattr(self, name)
            require(value in known, f"{name} is {value!r}; it is one of {', '.join(known)}")
        require(
            self.interactions == "separate" or self.sets > 1,
            f"{self.interactions} interactions need 2 sets or more, and sets is {self.sets}",
        )

    def plain(self) -> "ModelConfig":
        """Return the paper's baseline of this model, size and sets: every other setting at its default."""
        return ModelConfig(model=self.model, embedding_size=self.embedding_size, sets=self.sets)

    @property
    def name(self) -> str:
        """The model, its size and what differs from the paper's baseline; `model_config` reads it back.

        ``dcnv2-20`` is SE with K = 20, ``dcnv2-10x4-shared`` ME with 4 sets of K = 10 and one interaction.
        """
        size = f"-{self.embedding_size}" + (f"x{self.sets}" if self.sets > 1 else "")
        usual = ModelConfig(sets=self.sets, interactions=self.interactions, regularised=self.regularised)
        words = []
        for word, setting, value in _WORDS:
            own = getattr(self, setting)
            if value is not None and own == value:
                words.append(word)
            elif value is None and own != getattr(usual, setting):
                words.append(f"{word}{own!r}")
        return "-".join([self.model + size, *words])


# The word of a name, the setting it stands for, and its value; None for a number that follows the word.
_WORDS: tuple[tuple[str, str, Any], ...] = (
    ("shared", "interactions", "shared"),
    ("aligned", "interactions", "aligned"),
    ("reg", "regularised", True),
    ("code", "reading", "code"),
    ("cross", "cross_layers", None),
    ("depth", "depth", None),
    ("hidden", "hidden", None),
    ("dropout", "dropout", None),
    ("weight", "penalty_weight", None),
)
_NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_WORD = "|".join(f"{word}({_NUMBER})" if value is None else word for word, _, value in _WORDS)
_NAME = re.compile(rf"(?P<model>.+?)-(?P<K>[1-9]\d*)(?:x(?P<M>\d+))?(?P<words>(?:-(?:{_WORD}))*)")


def model_config(name: str) -> ModelConfig:
    """Read a model's name.

    Parameters
    ----------
    name : str
        What `ModelConfig.name` returned, or a model alone, which stands for its baseline at the base size.

    Returns
    -------
    ModelConfig
        The settings.

    Raises
    ------
    CollapseError
        If the name gives a setting that is out of bounds.
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        return ModelConfig(model=name)
    settings: dict[str, Any] = {}
    for word, setting, value in _WORDS:
        found = re.search(rf"-{word}({_NUMBER})?(?=-[a-z]|$)", parts["words"])
        if found is not None:
            settings[setting] = value if value is not None else type(getattr(ModelConfig, setting))(found[1])
    return ModelConfig(model=parts["model"], embedding_size=int(parts["K"]), sets=int(parts["M"] or 1), **settings)
