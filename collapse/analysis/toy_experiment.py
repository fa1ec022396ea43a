"""The toy experiment of Section 4.1 (Figure 4, Appendix G): interacting with a low-rank field lowers IA(E_1).

Shapes: S seeds, D_1 = D_2 and D_3 rows of the three tables, K embedding size.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from collapse.analysis.toy_settings import ToySettings
from collapse.limits import refuse_beyond_memory
from collapse.measures.abundance import abundance_of_spectrum
from collapse.measures.random_matrix import random_abundance


def toy_experiment(settings: ToySettings | None = None) -> pd.DataFrame:
    """Train E_1 of three fields in an FM, while E_2 and E_3 are fixed, for two cardinalities D_3.

    Every (x_1, x_2) occurs once, with x_3 and the label drawn uniformly. All tables are initialised standard
    normal. The logit is e_1^T e_2 + e_1^T e_3 + e_2^T e_3. All seeds of a case are trained at once.

    Parameters
    ----------
    settings : ToySettings, optional
        The default is that of Appendix G.

    Returns
    -------
    pandas.DataFrame
        One row per case, seed and measurement: ``case`` (small or large), ``cardinality_3``, ``seed``,
        ``iteration``, ``ia`` = IA(E_1), ``loss`` in nats, ``ia_3`` = IA(E_3), and ``ia_random``, the mean of
        random tables of E_1's shape.
    """
    settings = settings or ToySettings()
    D, S = settings.cardinality, settings.seeds
    # Logits, their fixed part, residuals, labels and x_3, which takes twice the bytes, for every pair of rows.
    refuse_beyond_memory(24 * S * D * D, f"the experiment with D_1 = {D:,}", "choose a smaller cardinality")
    refuse_beyond_memory(16 * S * max(D, settings.large) * settings.embedding_size, "the experiment", "take less")
    cases = {"small": settings.small, "large": settings.large}
    return pd.concat([_case(name, D_3, settings) for name, D_3 in cases.items()], ignore_index=True)


def _case(name: str, D_3: int, settings: ToySettings) -> pd.DataFrame:
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    drawn = [_draw(D_3, seed, settings) for seed in seeds]
    E_1, E_2, E_3, x_3, y = (np.stack(parts) for parts in zip(*drawn, strict=True))
    S, D, _ = E_1.shape
    # Position of (x_1, x_3) of every pair in an array of shape (S, D_1, D_3).
    pair_13 = ((np.arange(S)[:, None, None] * D + np.arange(D)[:, None]) * D_3 + x_3).ravel()
    fixed = np.take_along_axis(E_2 @ E_3.mT, x_3.mT, axis=2).mT
    random = random_abundance(settings.cardinality, settings.embedding_size).mean
    ia_3 = _abundance(E_3)
    frames = []
    for iteration in range(settings.iterations + 1):
        logits = E_1 @ E_2.mT + (E_1 @ E_3.mT).ravel()[pair_13].reshape(S, D, D) + fixed
        if iteration % settings.measure_every == 0 or iteration == settings.iterations:
            frames.append(
                pd.DataFrame(
                    {
                        "case": name,
                        "cardinality_3": D_3,
                        "seed": seeds,
                        "iteration": iteration,
                        "ia": _abundance(E_1),
                        "loss": np.mean(np.logaddexp(0, logits) - y * logits, axis=(1, 2), dtype=np.float64),
                        "ia_3": ia_3,
                        "ia_random": random,
                    }
                )
            )
        # dl/dh of the mean loss. Each row of E_1 meets every row of E_2 once, and the rows of E_3 as often as they
        # were drawn.
        residuals = (expit(logits) - y) / D**2
        of_3 = np.bincount(pair_13, weights=residuals.ravel(), minlength=S * D * D_3).reshape(S, D, D_3)
        E_1 = E_1 - settings.learning_rate * (residuals @ E_2 + of_3.astype(np.float32) @ E_3)
    return pd.concat(frames, ignore_index=True)


def _draw(D_3: int, seed: int, settings: ToySettings) -> tuple[NDArray[Any], ...]:
    generator = np.random.default_rng(seed)
    D, K = settings.cardinality, settings.embedding_size
    tables = [generator.standard_normal((rows, K), dtype=np.float32) for rows in (D, D, D_3)]
    x_3 = generator.integers(D_3, size=(D, D))
    y = generator.integers(2, size=(D, D)).astype(np.float32)
    return *tables, x_3, y


def _abundance(E: NDArray[np.float32]) -> NDArray[np.floating]:
    return abundance_of_spectrum(np.linalg.svd(E.astype(np.float64), compute_uv=False))
