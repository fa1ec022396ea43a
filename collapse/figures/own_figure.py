"""Description of a user's figure: what its axes, lines and panels are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from collapse.analysis.diagnosis import all_measures
from collapse.errors import shortened
from collapse.settings import Settings, require

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_PARTS = ("x", "y", "hue", "panel")


@dataclass(frozen=True, kw_only=True)
class OwnFigure(Settings):
    """A user's figure: what its axes, lines and panels are."""

    name: str
    """Name of the files, such as ``auc-by-rate``."""
    x: str
    """Variable of the horizontal axis: a setting, a result, ``epoch``, or ``field``."""
    y: str
    """Variable of the vertical axis: a result, or a measure of the fields, which is averaged over them unless
    another part of the figure is ``field``."""
    hue: str = ""
    """Variable with one line and colour for each value."""
    panel: str = ""
    """Variable with one panel for each value."""
    where: Mapping[str, Any] = field(default_factory=dict)
    """Values that settings must have for a run to be shown; a list has alternatives."""
    error: Literal["interval", "deviation", "none"] = "interval"
    """What is drawn around the means over the initialisations: a 95 % interval (Student's t), the standard
    deviation, or nothing."""
    log: Literal["none", "x", "y", "both"] = "none"
    """The logarithmic axes."""
    shows: str = ""
    """What the figure shows, in one sentence, for its caption."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            _NAME.fullmatch(self.name) is not None,
            f"the name of a figure must begin with a letter and have small letters, digits, - and _, "
            f"got {shortened(self.name)}",
        )
        used = [getattr(self, part) for part in _PARTS if getattr(self, part)]
        require(len(set(used)) == len(used), f"x, y, hue and panel of {self.name} must differ")

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables of its axes, lines and panels."""
        return tuple(getattr(self, part) for part in _PARTS if getattr(self, part))

    @property
    def content(self) -> str:
        """What it shows: its author's sentence, or its axes."""
        return self.shows.rstrip(".") or f"{self.y} by {self.x}"

    @property
    def measures(self) -> tuple[str, ...]:
        """The variables that are measures of fields."""
        return tuple(name for name in self.variables if name in all_measures())

    @property
    def is_by_epoch(self) -> bool:
        """Whether there is one number per epoch."""
        return "epoch" in self.variables

    @property
    def is_by_field(self) -> bool:
        """Whether there is one number per field."""
        return bool({"field", "cardinality", "degree", "cause"} & {*self.variables} - {self.y})
