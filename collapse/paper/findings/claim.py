"""A claim of the paper, and what a study's runs say of it."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
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

Statistic = Callable[[NDArray[np.float64]], float]
"""From the numbers of one initialisation, (units, columns), to one."""
SIGNIFICANCE = 0.05
"""The p-value, corrected for all claims of the study, up to which a verdict is given."""
_TAKEN = 0.5
"""A treatment took where what it treats fell below this times its value without."""


class Verdict(StrEnum):
    """What the runs say of a claim."""

    HOLDS = "holds"
    """The effect lies where the claim puts it, at 5 % after Holm's correction over the study."""
    DOES_NOT_HOLD = "does not hold"
    """It lies elsewhere."""
    CANNOT_TELL = "cannot tell"
    """Neither can be said, or there are fewer than five initialisations."""
    NOT_TAKEN = "the treatment did not take"
    """What the claim is about was not brought about, so its effect says nothing."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Where a claim puts its effect: above one number, or below."""

    low: float = -math.inf
    """The lower end."""
    high: float = math.inf
    """The upper end."""

    def __str__(self) -> str:
        return f"{'above' if self.is_above else 'below'} {self.bound:g}"

    @property
    def is_above(self) -> bool:
        """Whether the effect is claimed to lie above the bound."""
        return self.high == math.inf

    @property
    def bound(self) -> float:
        """The number."""
        return self.low if self.is_above else self.high

    def p_holds(self, found: Estimate) -> float:
        """Return the one-sided p-value of the claim."""
        return (p_above if self.is_above else p_below)(found, self.bound)

    def p_fails(self, found: Estimate) -> float:
        """Return that of its contrary."""
        return (p_below if self.is_above else p_above)(found, self.bound)


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the first column over the units."""
    return float(values[:, 0].mean())


def pearson(values: NDArray[np.float64]) -> float:
    """Return Pearson's r of the first two columns over the units; NaN where one is constant."""
    x, y = (values[:, :2] - values[:, :2].mean(0)).T
    # Rounding leaves a constant column a variance of some 1e-32 of its square: it has no correlation.
    spread, size = math.sqrt((x @ x) * (y @ y)), np.abs(values[:, :2]).max(0).prod() * len(values)
    return float(x @ y / spread) if spread > 1e-12 * size else float("nan")


def less_pearson(values: NDArray[np.float64]) -> float:
    """Return Pearson's r of the first two columns less that of the next two."""
    return pearson(values[:, :2]) - pearson(values[:, 2:])


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The numbers that a claim is checked on."""

    frames: Sequence[pd.DataFrame]
    """One per initialisation: a row per unit (a field, a model), the same units in each."""
    kind: Literal["mean", "every", "fraction"] = "mean"
    """What the claim is about: one number made of the units, every unit, or the fraction of them above 0."""
    statistic: Statistic = mean
    """Makes the one number."""
    unit: str = "fields"
    """What the units are; empty where there is one alone."""
    row_variance: float = 0.0
    """The variance of the effect that comes from the test rows; NaN where no predictions are kept."""
    note: str = ""
    """What else the numbers tell."""

    @property
    def units(self) -> int:
        """How many units there are."""
        return len(self.frames[0]) if self.frames else 0

    @property
    def arrays(self) -> NDArray[np.float64]:
        """All numbers, shape (initialisations, units, columns)."""
        same = [frame.reindex(self.frames[0].index) for frame in self.frames]
        return np.stack([frame.to_numpy(dtype=float) for frame in same])


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An effect against where a claim puts it."""

    effect: float
    """What was measured."""
    low: float
    """The lower end of its 95 % interval; NaN without one."""
    high: float
    """The upper end."""
    p_holds: float
    """One-sided p-value of the claim; NaN where it was not tested."""
    p_fails: float
    """That of its contrary."""
    needed: int | None = None
    """Initialisations that would tell, uncorrected, if effect and deviation stay as they are; None if unknown."""
    note: str = ""
    """What else is to be said of the measurement."""

    @property
    def p(self) -> float:
        """The two-sided p-value; NaN where it was not tested."""
        return float("nan") if math.isnan(self.p_holds) else min(1.0, 2 * min(self.p_holds, self.p_fails))


def judge(sample: Sample, expected: Expected) -> Judged:
    """Test a claim on one number per initialisation, uncorrected.

    Parameters
    ----------
    sample : Sample
        The numbers.
    expected : Expected
        Where the claim puts the effect.

    Returns
    -------
    Judged
        The effect with its 95 % interval and p-values. For a claim about every unit it is that of the unit that is
        worst for the claim: all have to lie there, each at 5 % (an intersection-union test), and one that does
        not, at 5 % over the number of units, is enough against it. For a claim about a share the p-values are
        exact binomial over the units, each counted by its mean over the initialisations.
    """
    values = sample.arrays
    S = len(values)
    few = f"{S} initialisation{'s' * (S != 1)}, and {FEWEST} are needed" if S < FEWEST else ""
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
        note="" if np.isfinite(found.row_variance) else "the error of the test rows is not known: train again",
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
    """What a treatment did to what it treats."""

    measure: str
    """What it treats."""
    treated: float
    """Its mean with the treatment."""
    plain: float
    """Its mean without."""

    @property
    def took(self) -> bool:
        """Whether it fell to less than half."""
        return self.treated < _TAKEN * self.plain

    def __str__(self) -> str:
        return f"{self.measure} {self.treated:.3g}, {self.plain:.3g} without"


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
    check: Check
    """Reads the numbers."""
    paper: Mapping[str, str | Callable[[], str]] = field(default_factory=dict)
    """What the paper has for it, by the name of its data set."""
    treatment: Callable[[Runs], Treatment | None] | None = None
    """What has to have taken for the claim to be judged; it returns None without runs."""
    of_data: bool = True
    """Whether it is of a data set; the toy experiment makes its own."""
    otherwise: str = ""
    """What may have to differ for it to hold."""

    def printed(self, data: str) -> str:
        """Return what the paper has on a data set; empty for data that it does not have."""
        found = self.paper.get(data, "")
        return found if isinstance(found, str) else found()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A claim checked on one data set."""

    claim: Claim
    """The claim."""
    data: str
    """The data set's name."""
    verdict: Verdict
    """What the runs say."""
    judged: Judged | None = None
    """What was measured; None without runs."""
    p_adjusted: float = float("nan")
    """The p-value after Holm's correction over the study; NaN where it was not tested."""
    initialisations: int = 0
    """Over how many."""
    units: str = ""
    """What one number is made of, such as ``31 fields``."""
    treatment: Treatment | None = None
    """What the treatment did, for claims about one."""
    note: str = ""
    """What else was measured."""

    @property
    def paper(self) -> str:
        """The paper's number on this data; empty if it has none."""
        return self.claim.printed(self.data)

    @property
    def measured(self) -> str:
        """The effect and its interval as text; one number alone has none."""
        if self.judged is None:
            return "nothing"
        found = self.judged
        if math.isnan(found.low):
            return f"{found.effect:+.3g}"
        return f"{found.effect:+.3g} ({found.low:+.3g} to {found.high:+.3g})"

    @property
    def over(self) -> str:
        """Over what it was measured; empty without runs."""
        if not self.initialisations:
            return ""
        runs = "one initialisation" if self.initialisations == 1 else f"{self.initialisations} initialisations"
        return f"{runs}, {self.units} each" if self.units else runs

    @property
    def remark(self) -> str:
        """What else is to be said: of the measurement, the treatment, and how many runs would tell."""
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
        parts.append(f"perhaps it wants {self.claim.otherwise}" if guessed else "")
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
    """Make a claim of a check, whose docstring begins with the statement; the parameters are fields of `Claim`."""

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
    """Return some columns under other names, a row a value of `by`."""
    return frame.set_index(by)[list(renamed.values())].set_axis(list(renamed), axis=1)
