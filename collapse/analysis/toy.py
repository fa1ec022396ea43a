"""The toy experiment of Section 4.1 (Figure 4, Appendix G): interacting with a low-rank field lowers IA(E_1).

Shapes: S seeds, D_1 = D_2 and D_3 rows of the three tables, K embedding size.
"""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from collapse.analysis.measures.abundance import abundance_of_spectrum
from collapse.analysis.measures.random_matrix import random_abundance
from collapse.analysis.toy_settings import ToySettings
from collapse.limits import refuse_beyond_memory


def toy_experiment(settings: ToySettings | None = None) -> pd.DataFrame:
    """Train E_1 of three fields under an FM interaction while E_2 and E_3 stay fixed, for two cardinalities D_3.

    Every (x_1, x_2) occurs once, with x_3 and the label drawn uniformly; all tables start standard normal; the
    logit is e_1^T e_2 + e_1^T e_3 + e_2^T e_3. All seeds of a case are trained at once.

    Parameters
    ----------
    settings : ToySettings, optional
        Appendix G's by default.

    Returns
    -------
    pandas.DataFrame
        A row a case, seed and measurement: ``case`` (small or large), ``cardinality_3``, ``seed``, ``iteration``,
        ``ia`` = IA(E_1), ``loss`` in nats, ``ia_3`` = IA(E_3), ``ia_random``, what a random table of E_1's shape
        has.
    """
    settings = settings or ToySettings()
    D, S = settings.cardinality, settings.seeds
    # Logits, their fixed part, residuals, labels and x_3, which is twice as wide, of every pair of rows.
    refuse_beyond_memory(24 * S * D * D, f"the experiment with D_1 = {D:,}", "take a smaller cardinality")
    refuse_beyond_memory(16 * S * max(D, settings.large) * settings.embedding_size, "the experiment", "take less")
    cases = {"small": settings.small, "large": settings.large}
    return pd.concat([_case(name, D_3, settings) for name, D_3 in cases.items()], ignore_index=True)


def _case(name: str, D_3: int, settings: ToySettings) -> pd.DataFrame:
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    drawn = [_draw(D_3, seed, settings) for seed in seeds]
    E_1, E_2, E_3, x_3, y = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    fixed = (E_2 @ E_3.mT).gather(2, x_3.mT).mT
    random = random_abundance(settings.cardinality, settings.embedding_size).mean
    ia_3 = _abundance(E_3)
    frames = []
    for iteration in range(settings.iterations + 1):
        logits = E_1 @ E_2.mT + (E_1 @ E_3.mT).gather(2, x_3) + fixed
        if iteration % settings.every == 0 or iteration == settings.iterations:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none").mean((1, 2))
            frames.append(
                pd.DataFrame(
                    {
                        "case": name,
                        "cardinality_3": D_3,
                        "seed": seeds,
                        "iteration": iteration,
                        "ia": _abundance(E_1),
                        "loss": loss.double().numpy(),
                        "ia_3": ia_3,
                        "ia_random": random,
                    }
                )
            )
        # dl/dh of the mean loss; E_1's rows meet every row of E_2 once, and E_3's as often as they were drawn.
        residuals = (torch.sigmoid(logits) - y) / settings.cardinality**2
        of_3 = torch.zeros(*E_1.shape[:2], D_3).scatter_add_(2, x_3, residuals)
        E_1 = E_1 - settings.learning_rate * (residuals @ E_2 + of_3 @ E_3)
    return pd.concat(frames, ignore_index=True)


def _draw(D_3: int, seed: int, settings: ToySettings) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    D, K = settings.cardinality, settings.embedding_size
    tables = [torch.randn(rows, K, generator=generator) for rows in (D, D, D_3)]
    x_3 = torch.randint(D_3, (D, D), generator=generator)
    y = torch.randint(2, (D, D), generator=generator).float()
    return *tables, x_3, y


def _abundance(E: Tensor) -> NDArray[np.floating]:
    return abundance_of_spectrum(np.linalg.svd(E.double().numpy(), compute_uv=False))
