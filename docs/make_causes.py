"""Draw an example of each verdict and cause, from simulated tables: ``python docs/make_causes.py``."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

import collapse
from collapse.measures.abundance import normalised_spectrum
from collapse.io.readers.selection import Selection
from collapse.io.readers.row_counts import RowCounts
from collapse.figures import style

D, K = 3000, 32
PICTURE = Path(__file__).parent / "causes.png"
random = np.random.default_rng(0)
COUNTS = np.maximum(1, (1e5 / np.arange(1, D + 1) ** 1.1).astype(np.int64))
"""Row counts that follow Zipf's law."""


@dataclass(frozen=True)
class Panel:
    """A simulated table."""

    title: str
    E: NDArray[np.float64]
    without: NDArray[np.float64] | None = None
    """The same table without the cause."""
    counts: NDArray[np.int64] | None = None


def normal(*shape: int) -> NDArray[np.float64]:
    """Draw a random table."""
    return random.standard_normal(shape)


def panels() -> list[Panel]:
    """Make one table per cause."""
    noise, low = normal(D, K), normal(D, 3) @ normal(3, K) + 0.1 * normal(D, K)
    popular = np.outer(np.log1p(COUNTS), normal(K))
    strong = noise * np.r_[8, np.ones(K - 1)]
    trained = np.r_[normal(D // 10, 2) @ normal(2, K) + 0.05 * normal(D // 10, K), 0.6 * normal(D - D // 10, K)]
    seen = (np.arange(D) < D // 10).astype(np.int64)
    return [
        Panel("random", noise),
        Panel("three directions and noise", low),
        Panel("random and an offset", noise + 2, noise),
        Panel("random, one column 8 times as large", strong, strong[:, 1:]),
        Panel("random and a constant column", np.c_[0.2 * noise, np.ones(D)], 0.2 * noise),
        Panel("random and log row counts", noise + popular, noise, COUNTS),
        Panel("90 % of the rows never trained", trained, trained[seen > 0], seen),
        Panel("decayed rows: 20 of 3,000 are left", np.r_[normal(20, K), 1e-5 * normal(D - 20, K)]),
    ]


def main() -> None:
    """Draw one panel per cause."""
    with plt.rc_context({"font.size": 7, "axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = plt.subplots(2, 4, figsize=(8.4, 4.4), sharex=True, sharey=True, layout="constrained")
        grey = normalised_spectrum(np.linalg.svd(normal(D, K), compute_uv=False))
        for ax, panel in zip(axes.flat, panels(), strict=True):
            given = None if panel.counts is None else RowCounts(source="made", by_field={"table": panel.counts})
            found = collapse.diagnose(collapse.load(panel.E, selection=Selection(row_counts=given))).iloc[0]
            sigma = normalised_spectrum(np.linalg.svd(panel.E, compute_uv=False))
            ax.plot(np.arange(1, K + 1), grey, color=style.REFERENCE, lw=0.8, label="a random table")
            ax.plot(np.arange(1, len(sigma) + 1), sigma, color=style.colours(1)[0], lw=1.6, label="this table")
            if panel.without is not None:
                without = normalised_spectrum(np.linalg.svd(panel.without, compute_uv=False))
                ax.plot(np.arange(1, len(without) + 1), without, "--", color=style.colours(2)[1], lw=1.2,
                        label="without the cause, or its trained rows")  # fmt: skip
            ax.set(ylim=(0, 1.04), xlim=(0.5, K + 1.5))
            verdict = style.wrapped_lines(found["verdict"], 40)
            ax.set_title(f"{panel.title}\nadjusted abundance {found['ia_adjusted']:.2f}\n{verdict}", fontsize=6.5)
        for ax in axes[-1]:
            ax.set_xlabel("direction k")
        for ax in axes[:, 0]:
            ax.set_ylabel(r"$\sigma_k / \sigma_1$")
        handles = {h.get_label(): h for ax in axes.flat for h in ax.get_lines()}
        figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(PICTURE, dpi=160)


if __name__ == "__main__":
    main()
