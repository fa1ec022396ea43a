"""Difference of two sets of predictions of the same rows, with the error of the rows.

Shapes: n rows.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from collapse.errors import CollapseError, first_line
from collapse.files.atomic import atomic_write
from collapse.files.opening import explain_os_errors, open_file
from collapse.training.runs.metrics import Evaluation, auc, logloss

RESAMPLES, FEW_RESAMPLES, MANY_ROWS = 1000, 200, 200_000
"""Number of resamples, and the number for more rows than that: a resample of 4.6 million rows takes a third of a
second."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions of a model for some rows."""

    labels: NDArray[np.uint8]
    """Labels, 0 or 1, shape (n,)."""
    logits: NDArray[np.floating]
    """Log odds of label 1, shape (n,)."""

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file for `read_predictions`. A failure leaves the old file unchanged."""
        with explain_os_errors("write", path), atomic_write(path) as file:
            np.savez(file, labels=self.labels, logits=self.logits.astype(np.float32))

    @property
    def evaluation(self) -> Evaluation:
        """Their AUC and logloss."""
        return Evaluation(auc=auc(self.labels, self.logits), logloss=logloss(self.labels, self.logits))


def read_predictions(path: Path) -> Predictions | None:
    """Read the predictions of a run.

    Returns
    -------
    Predictions or None
        None if the run stored none.

    Raises
    ------
    CollapseError
        If the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with open_file(path) as file, np.load(file, allow_pickle=False) as kept:
            found = Predictions(labels=kept["labels"], logits=kept["logits"])
    except CollapseError:
        raise
    except Exception as error:  # a damaged file may raise anything
        raise CollapseError(f"{path} is damaged: {first_line(error)}") from error
    if found.labels.shape != found.logits.shape or found.labels.ndim != 1 or found.logits.dtype != np.float32:
        raise CollapseError(f"{path} is damaged: its labels and logits do not fit together")
    return found


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference (after minus before) with its 95 % interval."""

    value: float
    """Difference over all rows."""
    low: float
    """2.5th percentile of the resamples."""
    high: float
    """97.5th percentile of the resamples."""

    @property
    def is_significant(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.low > 0 or self.high < 0


def paired_differences(
    before: Predictions, after: Predictions, *, resamples: int | None = None, seed: int = 0
) -> dict[str, Difference]:
    """Compare two sets of predictions of the same rows by a paired bootstrap.

    Parameters
    ----------
    before, after : Predictions
        Predictions of the same rows in the same order.
    resamples : int, optional
        Number of times that the rows are drawn with replacement, the same for both. The default is 1,000, or 200
        for more than 200,000 rows.
    seed : int
        Seed of the draws.

    Returns
    -------
    dict of str to Difference
        ``auc`` and ``logloss``, after minus before. NaN if one class is absent.
    """
    labels = before.labels.astype(np.float64)
    n = len(labels)
    resamples = resamples or (RESAMPLES if n <= MANY_ROWS else FEW_RESAMPLES)
    generator = np.random.default_rng(seed)
    ranked = [_Ranked(each) for each in (before, after)]
    losses = [np.logaddexp(0, each.logits.astype(np.float64)) - labels * each.logits for each in (before, after)]
    change = losses[1] - losses[0]
    drawn = np.empty((resamples, 2))
    for each in tqdm(drawn, desc="resamples", leave=False, disable=None):
        weights = np.bincount(generator.integers(0, n, n), minlength=n).astype(np.float64)
        first, second = (one.auc(weights) for one in ranked)
        each[:] = second - first, weights @ change / n
    bounds = np.quantile(drawn, (0.025, 0.975), axis=0)
    found = [getattr(after.evaluation, name) - getattr(before.evaluation, name) for name in ("auc", "logloss")]
    return {
        name: Difference(value=float(value), low=float(low), high=float(high))
        for name, value, low, high in zip(("auc", "logloss"), found, *bounds, strict=True)
    }


class _Ranked:
    """Rows in the order of their scores, for the AUC of weighted rows."""

    def __init__(self, predictions: Predictions) -> None:
        self._order = np.argsort(predictions.logits)
        self._labels = predictions.labels[self._order].astype(np.float64)
        scores = predictions.logits[self._order]
        self._ties = np.flatnonzero(np.append(True, scores[1:] != scores[:-1]))

    def auc(self, weights: NDArray[np.float64]) -> float:
        """Return the AUC of weighted rows; ties count half."""
        weights = weights[self._order]
        positive = weights * self._labels
        negatives = np.add.reduceat(weights - positive, self._ties)
        positives = np.add.reduceat(positive, self._ties)
        pairs = positives.sum() * negatives.sum()
        below = np.cumsum(negatives) - negatives / 2
        return float(positives @ below / pairs) if pairs else float("nan")
