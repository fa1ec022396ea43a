"""A claim of the paper and what a study's runs say of it."""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from collapse.study.findings.bootstrap import Interval, Statistic, interval, mean
from collapse.study.findings.runs import Runs

ENOUGH = 2
"""Initialisations below which nothing is said."""


class Verdict(StrEnum):
    """What the runs say of a claim."""

    HOLDS = "holds"
    """The whole interval lies where the claim puts the effect."""
    DOES_NOT_HOLD = "does not hold"
    """The whole interval lies elsewhere."""
    NOT_ENOUGH = "not enough runs"
    """The interval covers both, or there are fewer than two initialisations."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Where a claim puts its effect: between two numbers, apart from both."""

    low: float = -math.inf
    """The lower end."""
    high: float = math.inf
    """The upper end."""

    def __str__(self) -> str:
        return f"above {self.low:g}" if self.high == math.inf else f"below {self.high:g}"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The numbers that a claim is checked on."""

    frames: Sequence[pd.DataFrame]
    """One an initialisation: a row a unit (a field, a model), the same units in each."""
    statistic: Statistic = mean
    """What is taken over the units."""
    unit: str = "fields"
    """What the units are; empty where there is one alone."""
    note: str = ""
    """What else the numbers tell."""

    @property
    def units(self) -> int:
        """How many units there are."""
        return len(self.frames[0]) if self.frames else 0

    def interval(self) -> Interval:
        """Return the effect and its interval over initialisations and units."""
        same = [frame.reindex(self.frames[0].index) for frame in self.frames]
        return interval(np.stack([frame.to_numpy(dtype=float) for frame in same]), self.statistic)


Check = Callable[[Runs], Sample]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim."""

    name: str
    """The check's name."""
    statement: str
    """What is claimed: the first paragraph of the check's docstring."""
    source: str
    """Where the paper says it."""
    effect: str
    """What is measured."""
    expected: Expected
    """Where the claim puts it."""
    paper: Callable[[int], str]
    """What the paper has for it on its n-th data set."""
    check: Check
    """Reads the numbers."""
    of_data: bool = True
    """Whether it is of a data set; the toy experiment makes its own."""
    otherwise: str = ""
    """What may have to differ for it to hold."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A claim checked on one data set."""

    claim: Claim
    """The claim."""
    data: str
    """The data set's name."""
    paper: str
    """The paper's number."""
    verdict: Verdict
    """What the runs say."""
    effect: Interval | None = None
    """What was measured; None without runs."""
    initialisations: int = 0
    """Over how many."""
    units: str = ""
    """Over what else, such as ``31 fields``."""
    note: str = ""
    """What else was measured."""

    @property
    def measured(self) -> str:
        """The effect and its interval as text; one number alone has none."""
        if self.effect is None:
            return "nothing"
        found = self.effect
        if self.initialisations < ENOUGH and not self.units:
            return f"{found.effect:+.3g}"
        return f"{found.effect:+.3g} ({found.low:+.3g} to {found.high:+.3g})"

    @property
    def over(self) -> str:
        """Over what it was measured; empty without runs."""
        if not self.initialisations:
            return ""
        runs = "one initialisation" if self.initialisations == 1 else f"{self.initialisations} initialisations"
        return f"{runs} and {self.units}" if self.units else runs

    @property
    def remark(self) -> str:
        """What else is to be said: the note, and what may have to differ if the claim does not hold."""
        guessed = self.claim.otherwise and self.verdict is Verdict.DOES_NOT_HOLD
        guess = f"perhaps it wants {self.claim.otherwise}" if guessed else ""
        return "; ".join(part for part in (self.note, guess) if part)

    def as_record(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return {
            "claim": self.claim.name,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "data": self.data,
            "effect": self.claim.effect,
            "value": self.effect.effect if self.effect else None,
            "low": self.effect.low if self.effect else None,
            "high": self.effect.high if self.effect else None,
            "expected": str(self.claim.expected),
            "initialisations": self.initialisations,
            "units": self.units,
            "verdict": str(self.verdict),
            "note": self.remark,
            "paper": self.paper,
        }


def claim(
    *,
    source: str,
    effect: str,
    expected: Expected,
    paper: str | Callable[[int], str] = "no number",
    of_data: bool = True,
    otherwise: str = "",
) -> Callable[[Check], Claim]:
    """Make a claim of a check, whose docstring begins with the statement; the parameters are fields of `Claim`."""

    def of(check: Check) -> Claim:
        return Claim(
            name=check.__name__.replace("_", "-"),
            statement=" ".join((inspect.getdoc(check) or "").split("\n\n")[0].split()),
            source=source,
            effect=effect,
            expected=expected,
            paper=(lambda _: paper) if isinstance(paper, str) else paper,
            check=check,
            of_data=of_data,
            otherwise=otherwise,
        )

    return of


def judge(found: Interval, expected: Expected, initialisations: int) -> Verdict:
    """Judge an effect.

    Parameters
    ----------
    found : Interval
        The effect and its interval.
    expected : Expected
        Where the claim puts it.
    initialisations : int
        Over how many it was measured.

    Returns
    -------
    Verdict
        See `Verdict`.
    """
    if initialisations < ENOUGH or math.isnan(found.low):
        return Verdict.NOT_ENOUGH
    if expected.low < found.low and found.high < expected.high:
        return Verdict.HOLDS
    if found.high <= expected.low or expected.high <= found.low:
        return Verdict.DOES_NOT_HOLD
    return Verdict.NOT_ENOUGH


def columns(frame: pd.DataFrame, by: str, **renamed: str) -> pd.DataFrame:
    """Return some columns under other names, a row a value of `by`."""
    return frame.set_index(by)[list(renamed.values())].set_axis(list(renamed), axis=1)
