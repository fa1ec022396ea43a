"""False alarms and detections of the verdicts: ``python -m benchmarks.verdicts``.

Random tables of every shape and of four distributions are not collapsed, and tables of rank one are. The
table, in Markdown, counts the verdicts. Standard error gets one line per shape.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from collapse.analysis.diagnosis import diagnose
from collapse.analysis.settings import AnalysisSettings
from collapse.analysis.verdicts import Degree
from collapse.io.load import load
from collapse.io.readers.row_counts import RowCounts
from collapse.io.readers.selection import Selection

ROWS = (3, 5, 10, 30, 100, 1000, 10_000, 100_000)
COLUMNS = (2, 4, 8, 16, 64, 256)
MOST_TABLES, MOST_ENTRIES = 2000, 40_000_000
"""Number of tables per shape and distribution, smaller for large tables."""
SMALL = 2000
"""Number of entries below which more tables are drawn, because false alarms are among small tables."""
ZIPF, ZIPF_COLUMNS = 40, 64
"""Number of tables with rows weighted by frequency, each with its own baseline, and their largest number of
columns.
"""
JUDGED = (Degree.COLLAPSED, Degree.PARTLY, Degree.DOMINATED)

Table = NDArray[np.float64]
LAWS: dict[str, Callable[[np.random.Generator, int, int], Table]] = {
    "normal": lambda random, D, K: random.standard_normal((D, K)),
    "uniform": lambda random, D, K: random.uniform(-1, 1, (D, K)),
    "heavy-tailed (Student's t, 5 degrees of freedom)": lambda random, D, K: random.standard_t(5, (D, K)),
    "normal, rows weighted by Zipf's law": lambda random, D, K: random.standard_normal((D, K)),
    "rank one": lambda random, D, K: np.outer(random.standard_normal(D), random.standard_normal(K)),
    "rank one in float32": lambda random, D, K: np.outer(random.standard_normal(D), random.standard_normal(K)),
}


def degrees(law: str, D: int, K: int) -> Iterator[str]:
    """Judge random tables of a shape."""
    random = np.random.default_rng([D, K, len(law)])
    weighted = "Zipf" in law
    number = ZIPF if weighted else MOST_TABLES
    dtype = np.float32 if "float32" in law else np.float64
    counts = np.maximum(1, (10 * D / np.arange(1, D + 1) ** 1.05).astype(np.int64))
    for _ in range(min(number, max(10, MOST_ENTRIES // (D * K * (1 if D * K < SMALL else 5))))):
        given = RowCounts(source="Zipf", by_field={"a": counts}) if weighted else None
        tables = load({"a": LAWS[law](random, D, K).astype(dtype)}, selection=Selection(row_counts=given))
        settings = AnalysisSettings(rows="frequency" if weighted else "trained")
        yield str(diagnose(tables, settings=settings)["degree"].iloc[0])


def upper(found: int, of: int) -> float:
    """Return the upper end of the 95 % interval of Clopper and Pearson, one-sided."""
    return float(stats.binomtest(found, of, alternative="less").proportion_ci(0.95, "exact").high)


def main() -> None:
    """Print one row per distribution."""
    print(f"| tables | judged | {' | '.join(JUDGED)} | collapsed, upper bound (95 %) | worst shape |")
    print("|---|---|" + "---|" * (len(JUDGED) + 2))
    for law in LAWS:
        every: Counter[str] = Counter()
        worst = (0.0, "none")
        for D in ROWS:
            for K in COLUMNS:
                if "Zipf" in law and K > ZIPF_COLUMNS:
                    continue
                found = Counter(degrees(law, D, K))
                every += found
                fraction = found[Degree.COLLAPSED] / found.total()
                worst = max(worst, (fraction, f"{found[Degree.COLLAPSED]} of {found.total()} at {D} x {K}"))
                print(law, D, K, dict(found), file=sys.stderr, flush=True)
        cells = " | ".join(f"{every[each]:,} ({every[each] / every.total():.2%})" for each in JUDGED)
        at_most = upper(every[Degree.COLLAPSED], every.total())
        print(f"| {law} | {every.total():,} | {cells} | {at_most:.2%} | {worst[1]} |", flush=True)


if __name__ == "__main__":
    main()
