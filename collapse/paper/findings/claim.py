"""A claim of the paper, and the verdict of a study's runs."""

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collapse.measures.statistics import (
    FEWEST,
    Estimate,
    estimate,
    fraction_interval,
    initialisations_needed,
    p_above,
    p_below,
)
from collapse.paper.findings.runs import Runs
from collapse.printable import counted, path_text

Statistic = Callable[[NDArray[np.float64]], float]
"""Maps the numbers of one initialisation, shape (units, columns), to one number."""
_SHOWN_IN = re.compile(r"(Figure|Table)s? (\d+[a-d]?(?: and \d+[a-d]?)*)")
_NUMBER = re.compile(r"\d+[a-d]?")
SIGNIFICANCE = 0.05
"""Largest p-value, corrected for all claims of the study, at which a verdict is given."""
_TAKEN = 0.5
"""A treatment took if what it treats fell below this fraction of its value without treatment."""


class Verdict(StrEnum):
    """Verdict of the runs on a claim."""

    HOLDS = "holds"
    """The effect is where the claim says, at the 5 % level after Holm's correction over the study."""
    DOES_NOT_HOLD = "does not hold"
    """The effect is elsewhere, at the same level."""
    CANNOT_TELL = "cannot tell"
    """Neither can be concluded, or there are fewer than five initialisations."""
    NOT_TAKEN = "the treatment did not take"
    """The condition of the claim was not brought about, so its effect says nothing."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Where a claim puts its effect: above or below one number."""

    low: float = -math.inf
    """Lower end."""
    high: float = math.inf
    """Upper end."""

    def __str__(self) -> str:
        return f"{'above' if self.is_above else 'below'} {self.bound:g}"

    @property
    def is_above(self) -> bool:
        """Whether the claim is that the effect is above the bound."""
        return self.high == math.inf

    @property
    def bound(self) -> float:
        """The bound."""
        return self.low if self.is_above else self.high

    def p_holds(self, found: Estimate) -> float:
        """Return the one-sided p-value of the claim."""
        return (p_above if self.is_above else p_below)(found, self.bound)

    def p_fails(self, found: Estimate) -> float:
        """Return the one-sided p-value of the opposite claim."""
        return (p_below if self.is_above else p_above)(found, self.bound)


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the first column over the units."""
    return float(values[:, 0].mean())


def pearson(values: NDArray[np.float64]) -> float:
    """Return Pearson's r of the first two columns over the units; NaN if one is constant."""
    x, y = (values[:, :2] - values[:, :2].mean(0)).T
    # Rounding gives a constant column a variance of about 1e-32 of its square. It has no correlation.
    spread, size = math.sqrt((x @ x) * (y @ y)), np.abs(values[:, :2]).max(0).prod() * len(values)
    return float(x @ y / spread) if spread > 1e-12 * size else float("nan")


def less_pearson(values: NDArray[np.float64]) -> float:
    """Return Pearson's r of the first two columns minus that of the next two."""
    return pearson(values[:, :2]) - pearson(values[:, 2:])


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The numbers for testing a claim."""

    frames: Sequence[pd.DataFrame]
    """One table per initialisation, with one row per unit (a field, a model). All have the same units."""
    kind: Literal["mean", "every", "fraction"] = "mean"
    """What the claim is about: one number made from the units, every unit, or the fraction of units above 0."""
    statistic: Statistic = mean
    """Makes the one number."""
    unit: str = "fields"
    """What the units are; empty if there is only one."""
    row_variance: float = 0.0
    """Variance of the effect that comes from the test rows; NaN without stored predictions."""
    note: str = ""
    """A remark on the numbers."""

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.frames[0]) if self.frames else 0

    @property
    def arrays(self) -> NDArray[np.float64]:
        """All numbers, shape (initialisations, units, columns)."""
        same = [frame.reindex(self.frames[0].index) for frame in self.frames]
        return np.stack([frame.to_numpy(dtype=float) for frame in same])


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An effect compared with a claim."""

    effect: float
    """The effect."""
    low: float
    """Lower end of its 95 % interval; NaN without an interval."""
    high: float
    """Upper end of its 95 % interval."""
    p_holds: float
    """One-sided p-value of the claim; NaN if it was not tested."""
    p_fails: float
    """One-sided p-value of the opposite claim."""
    needed: int | None = None
    """Initialisations that would tell, without correction, if effect and deviation stay the same; None if
    unknown."""
    note: str = ""
    """A remark on the measurement."""

    @property
    def p(self) -> float:
        """Two-sided p-value; NaN if the claim was not tested."""
        return float("nan") if math.isnan(self.p_holds) else min(1.0, 2 * min(self.p_holds, self.p_fails))


def judge(sample: Sample, expected: Expected) -> Judged:
    """Test a claim on one number per initialisation, without correction.

    Parameters
    ----------
    sample : Sample
        The numbers.
    expected : Expected
        Where the claim puts the effect.

    Returns
    -------
    Judged
        The effect with its 95 % interval and p-values. For a claim about every unit they are those of the worst
        unit: all units must be where the claim says, each at 5 % (an intersection-union test), and one that is
        not, at 5 % divided by the number of units, refutes it. For a claim about a fraction the p-values are exact
        binomial over the units, each counted by its mean over the initialisations.
    """
    values = sample.arrays
    S = len(values)
    few = f"{counted(S, 'initialisation')}, but {FEWEST} are needed" if S < FEWEST else ""
    if sample.kind == "every":
        found = _of_every(values[..., 0], sample, expected)
    elif sample.kind == "fraction":
        found = _of_fraction(values[..., 0], expected)
    else:
        numbers = [sample.statistic(each) for each in values]
        found = _of_one(estimate(numbers, row_variance=sample.row_variance), expected)
    if not few:
        return found
    note = "; ".join(filter(None, (few, found.note)))
    return replace(found, p_holds=float("nan"), p_fails=float("nan"), note=note)


def _of_one(found: Estimate, expected: Expected) -> Judged:
    return Judged(
        effect=found.effect,
        low=found.low,
        high=found.high,
        p_holds=expected.p_holds(found),
        p_fails=expected.p_fails(found),
        needed=initialisations_needed(found, expected.bound),
        note="" if np.isfinite(found.row_variance) else "the error of the test rows is unknown: train again",
    )


def _of_every(values_SU: NDArray[np.float64], sample: Sample, expected: Expected) -> Judged:
    names = list(map(str, sample.frames[0].index))
    found = [_of_one(estimate(values_SU[:, u]), expected) for u in range(len(names))]
    margins = [(each.effect - expected.bound) * (1 if expected.is_above else -1) for each in found]
    worst = int(np.argmin(margins))
    return replace(
        found[worst],
        p_holds=max(each.p_holds for each in found),
        p_fails=min(1.0, len(found) * min(each.p_fails for each in found)),
        note=f"of {len(found)} {sample.unit}, {names[worst]} is the worst",
    )


def _of_fraction(values_SU: NDArray[np.float64], expected: Expected) -> Judged:
    from scipy import stats

    above, of = int((values_SU.mean(0) > 0).sum()), values_SU.shape[1]
    low, high = fraction_interval(above, of)
    greater = float(stats.binomtest(above, of, expected.bound, alternative="greater").pvalue)
    less = float(stats.binomtest(above, of, expected.bound, alternative="less").pvalue)
    p_holds, p_fails = (greater, less) if expected.is_above else (less, greater)
    return Judged(effect=above / of, low=low, high=high, p_holds=p_holds, p_fails=p_fails, note=f"{above} of {of}")


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """Effect of a treatment on what it treats."""

    measure: str
    """What it treats."""
    treated: float
    """Mean with the treatment."""
    plain: float
    """Mean without the treatment."""

    @property
    def took(self) -> bool:
        """Whether it fell to less than half."""
        return self.treated < _TAKEN * self.plain

    def __str__(self) -> str:
        return f"{self.measure} {self.treated:.3g}, {self.plain:.3g} without"


Check = Callable[[Runs], Sample]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim."""

    name: str
    """Name of the check."""
    statement: str
    """The claim: the first paragraph of the check's docstring."""
    source: str
    """Where the paper makes the claim."""
    effect: str
    """The effect that is measured."""
    expected: Expected
    """Where the claim puts the effect."""
    check: Check
    """Reads the numbers."""
    paper: Mapping[str, str | Callable[[], str]] = field(default_factory=dict)
    """The paper's value, by the name of its data set."""
    treatment: Callable[[Runs], Treatment | None] | None = None
    """Treatment that must have taken for the claim to be judged; it returns None without runs."""
    of_data: bool = True
    """Whether the claim is about a data set. The toy experiment generates its own."""
    otherwise: str = ""
    """Conditions under which the claim may hold."""

    @property
    def shown_in(self) -> tuple[str, ...]:
        """The figures and tables that its source names, such as ``3a`` and ``table-1``."""
        named = _SHOWN_IN.findall(self.source)
        return tuple(
            f"table-{number}" if kind == "Table" else number
            for kind, many in named
            for number in _NUMBER.findall(many)
        )

    def printed(self, data: str) -> str:
        """Return the paper's value for a data set; empty for other data."""
        found = self.paper.get(data, "")
        return found if isinstance(found, str) else found()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Result of a claim on one data set."""

    claim: Claim
    """The claim."""
    data: str
    """Name of the data set."""
    verdict: Verdict
    """The verdict."""
    judged: Judged | None = None
    """The effect; None without runs."""
    p_adjusted: float = float("nan")
    """p-value after Holm's correction over the study; NaN if the claim was not tested."""
    initialisations: int = 0
    """Number of initialisations."""
    units: str = ""
    """The units of one number, such as ``31 fields``."""
    treatment: Treatment | None = None
    """Effect of the treatment, for claims about one."""
    note: str = ""
    """A remark."""
    runs: tuple[Path, ...] = ()
    """Folders of the runs that it was measured on."""

    @property
    def paper(self) -> str:
        """The paper's value for this data; empty if there is none."""
        return self.claim.printed(self.data)

    @property
    def measured(self) -> str:
        """The effect with its interval as text."""
        if self.judged is None:
            return "nothing"
        found = self.judged
        if math.isnan(found.low):
            return f"{found.effect:+.3g}"
        return f"{found.effect:+.3g} ({found.low:+.3g} to {found.high:+.3g})"

    @property
    def over(self) -> str:
        """Initialisations and units; empty without runs."""
        if not self.initialisations:
            return ""
        runs = "one initialisation" if self.initialisations == 1 else f"{self.initialisations} initialisations"
        return f"{runs}, {self.units} each" if self.units else runs

    @property
    def remark(self) -> str:
        """Remarks on the measurement and the treatment, and how many initialisations would tell."""
        parts = [self.note, str(self.treatment) if self.treatment else ""]
        if self.judged is not None:
            parts.append(self.judged.note)
            if self.verdict is Verdict.CANNOT_TELL and self.initialisations >= FEWEST:
                needed = self.judged.needed
                parts.append(
                    f"about {max(needed, self.initialisations + 1)} initialisations would tell"
                    if needed
                    else "more initialisations would not tell"
                )
        guessed = self.claim.otherwise and self.verdict is Verdict.DOES_NOT_HOLD
        parts.append(f"it may depend on {self.claim.otherwise}" if guessed else "")
        return "; ".join(filter(None, parts))

    def as_record(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        found = self.judged
        numbers = (
            {} if found is None else {"value": found.effect, "low": found.low, "high": found.high, "p": found.p}
        )
        return {
            "claim": self.claim.name,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "data": self.data,
            "effect": self.claim.effect,
            **{name: _or_none(numbers.get(name)) for name in ("value", "low", "high", "p")},
            "p_adjusted": _or_none(self.p_adjusted),
            "expected": str(self.claim.expected),
            "initialisations": self.initialisations,
            "units": self.units,
            "verdict": str(self.verdict),
            "note": self.remark,
            "paper": self.paper,
            "runs": [path_text(run.name) for run in self.runs],
        }


def _or_none(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def claim(
    *,
    source: str,
    effect: str,
    expected: Expected,
    paper: Mapping[str, str | Callable[[], str]] | None = None,
    treatment: Callable[[Runs], Treatment | None] | None = None,
    of_data: bool = True,
    otherwise: str = "",
) -> Callable[[Check], Claim]:
    """Make a claim from a check whose docstring is the statement. Parameters are fields of `Claim`."""

    def of(check: Check) -> Claim:
        return Claim(
            name=check.__name__.replace("_", "-"),
            statement=" ".join((inspect.getdoc(check) or "").split("\n\n")[0].split()),
            source=source,
            effect=effect,
            expected=expected,
            paper=paper or {},
            treatment=treatment,
            check=check,
            of_data=of_data,
            otherwise=otherwise,
        )

    return of


def columns(frame: pd.DataFrame, by: str, **renamed: str) -> pd.DataFrame:
    """Return some columns under other names, with one row per value of `by`."""
    return frame.set_index(by)[list(renamed.values())].set_axis(list(renamed), axis=1)
