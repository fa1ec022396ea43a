"""Coverage and error rates of the findings, on simulated studies: ``python -m benchmarks.findings``.

Every study has a known truth and runs through the code of ``collapse findings``. The table, in Markdown, has
the 95 % interval of each rate over the simulated studies. It takes about eight minutes on one core.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtri

from collapse.measures.statistics import estimate
from collapse.paper.findings.auc_rows import placements, row_variance
from collapse.paper.findings.checking import CLAIMS, corrected
from collapse.paper.findings.claim import Expected, Finding, Sample, Verdict, judge

SEEDS = 5
CLAIMS_OF_A_STUDY = 43
"""The number of claims that ``collapse findings`` tests on two data sets."""
ROWS, POSITIVES = 1638, 0.22
"""The test rows of flights in the smoke profile, and about their fraction of label 1."""
AUC = 0.75
ABOVE = Expected(low=0)


def sample(values: NDArray[np.float64], **settings: object) -> Sample:
    """Make a sample of numbers of shape (initialisations, units)."""
    return Sample(frames=[pd.DataFrame({"value": each}) for each in values], **settings)  # type: ignore[arg-type]


def verdicts(samples: list[Sample], expected: Expected = ABOVE) -> list[Verdict]:
    """Judge the claims of one study together."""
    found = [
        Finding(claim=CLAIMS[0], data="", verdict=Verdict.CANNOT_TELL, judged=judge(each, expected))
        for each in samples
    ]
    return [each.verdict for each in corrected(found)]


def bootstrap(values: NDArray[np.float64], random: np.random.Generator) -> tuple[float, float]:
    """Return the percentile interval over resampled initialisations, an earlier method of the findings."""
    means = random.choice(values, (1000, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def covered(initialisations: int, studies: int, *, by_bootstrap: bool) -> int:
    """Count the intervals that cover the true mean over initialisations."""
    random = np.random.default_rng(initialisations)
    count = 0
    for values in random.standard_normal((studies, initialisations)):
        found = estimate(values)
        low, high = bootstrap(values, random) if by_bootstrap else (found.low, found.high)
        count += low < 0 < high
    return count


def auc_study(random: np.random.Generator, effect: float) -> tuple[NDArray[np.float64], float]:
    """Return the AUC differences of two models per initialisation, and the variance due to the test rows.

    All runs score the same rows. Of the variance of a score's error, 0.7 is common to both models, 0.2 to the
    runs of one model, and 0.1 to a single run. `effect` is the true difference; initialisations change the
    AUC of a run by 0.001.
    """
    labels = (random.random(ROWS) < POSITIVES).astype(np.uint8)
    common, *of_model = random.standard_normal((3, ROWS))
    differences, weighted = [], []
    for _ in range(SEEDS):
        pair = []
        for sign, shift, shared in ((1, effect, of_model[0]), (-1, 0.0, of_model[1])):
            true = AUC + shift + 0.001 * random.standard_normal()
            # The AUC of two normal laws of unit variance at distance d is Phi(d / sqrt 2).
            own = random.standard_normal(ROWS)
            error = np.sqrt(0.7) * common + np.sqrt(0.2) * shared + np.sqrt(0.1) * own
            scores = np.sqrt(2) * ndtri(true) * labels + error
            weighted.append((sign / SEEDS, labels, scores))
            pair.append(placements(labels, scores)[0].mean())
        differences.append(pair[0] - pair[1])
    return np.array(differences), row_variance(weighted)


def auc_covered(studies: int, *, rows: bool) -> int:
    """Count the intervals that cover the true difference of AUC, with and without the error of the test rows."""
    random = np.random.default_rng(1)
    count = 0
    for _ in range(studies):
        differences, variance = auc_study(random, 0.002)
        found = estimate(differences, row_variance=variance if rows else 0.0)
        count += found.low < 0.002 < found.high
    return count


def holds_at_the_margin(studies: int) -> int:
    """Count the studies that find "does not raise AUC by 0.001 or more" for a model that raises it by 0.001."""
    random = np.random.default_rng(2)
    count = 0
    for _ in range(studies):
        differences, variance = auc_study(random, 0.001)
        [verdict] = verdicts([sample(differences[:, None], row_variance=variance)], Expected(high=0.001))
        count += verdict is Verdict.HOLDS
    return count


def wrong_at_the_bound(claims: int, studies: int) -> int:
    """Count the studies with any verdict when every true effect is exactly at the bound."""
    random = np.random.default_rng(claims)
    drawn = random.standard_normal((studies, claims, SEEDS, 1))
    return sum(any(each is not Verdict.CANNOT_TELL for each in verdicts([*map(sample, of)])) for of in drawn)


def share_wrong(studies: int) -> int:
    """Count the studies that find "most fields" when each of 31 fields has probability one half."""
    random = np.random.default_rng(3)
    signs = np.where(random.random((studies, 31)) < 0.5, 1.0, -1.0)
    samples = [sample(np.repeat(each[None], SEEDS, 0), kind="fraction") for each in signs]
    return sum(verdicts([each], Expected(low=0.5)) == [Verdict.HOLDS] for each in samples)


def every_wrong(studies: int) -> int:
    """Count the studies that find "in every field" when one field of 31 is at the bound."""
    random = np.random.default_rng(4)
    drawn = random.standard_normal((studies, SEEDS, 31)) + np.where(np.arange(31) == 7, 0.0, 6.0)
    return sum(verdicts([sample(each, kind="every")]) == [Verdict.HOLDS] for each in drawn)


def told(effect: float, studies: int) -> int:
    """Count the studies that find one effect, given in standard deviations, with the others at the bound."""
    random = np.random.default_rng(5)
    drawn = random.standard_normal((studies, CLAIMS_OF_A_STUDY, SEEDS, 1))
    drawn[:, 0] += effect
    return sum(verdicts([*map(sample, of)])[0] is Verdict.HOLDS for of in drawn)


def rates() -> Iterator[tuple[str, str, Callable[[int], int], int]]:
    """Yield each rate with its target, its name and the number of studies."""
    for S in (2, 3, 5, 10):
        name = f"95 % interval of a mean, {S} initialisations"
        yield f"{name}: covers", "95 %", partial(covered, S, by_bootstrap=False), 20_000
        yield f"{name}, bootstrap: covers", "95 %", partial(covered, S, by_bootstrap=True), 5000
    auc = f"95 % interval of an AUC difference, {ROWS:,} test rows"
    yield f"{auc}: covers", "95 %", partial(auc_covered, rows=True), 2000
    yield f"{auc}, ignoring their error: covers", "95 %", partial(auc_covered, rows=False), 2000
    for C in (1, 18, CLAIMS_OF_A_STUDY):
        claims = f"{C} claims" if C > 1 else "one claim"
        yield f"{claims} at the bound: any verdict", "at most 5 %", partial(wrong_at_the_bound, C), 2000
    yield "AUC rises by 0.001: said not to", "at most 2.5 %", holds_at_the_margin, 3000
    yield "half of 31 fields on average: said to be most", "at most 2.5 %", share_wrong, 5000
    yield "one field of 31 at the bound: said of every", "at most 2.5 %", every_wrong, 2000
    for effect in (2, 4, 6):
        name = f"effect of {effect} deviations, the others of {CLAIMS_OF_A_STUDY} claims at the bound: told"
        yield name, "", partial(told, effect), 500


def main() -> None:
    """Print one row per rate."""
    print("| simulated | should be | measured | its 95 % interval | studies |")
    print("|---|---|---|---|---|")
    for name, should, count, studies in rates():
        found = count(studies)
        interval = stats.binomtest(found, studies).proportion_ci(0.95, "exact")
        low, high = interval.low, interval.high
        cells = (name, should, f"{found / studies:.1%}", f"{low:.1%} to {high:.1%}", f"{studies:,}")
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
