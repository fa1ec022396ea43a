"""Exact AUC and logloss of a whole split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Metrics of one split."""

    auc: float
    """Area under the ROC curve."""
    logloss: float
    """Mean negative log-likelihood, in nats."""


def auc(labels: NDArray[np.uint8], scores: NDArray[np.floating]) -> float:
    """Area under the ROC curve: how often a positive row scores higher than a negative one.

    Parameters
    ----------
    labels : (n,) array
        0 or 1.
    scores : (n,) array
        Any increasing function of the predicted probability, finite.

    Returns
    -------
    float
        From 0 to 1: 1 if every positive scores higher than every negative, 0.5 if all scores are equal, NaN if one
        class is absent. The result is exact: the ranks are multiples of 1/2, and their sum is below 2^53 for 10^8
        rows.
    """
    from scipy.stats import rankdata

    positive = labels == 1
    positives = int(positive.sum())
    pairs = positives * (len(labels) - positives)
    # The U statistic of Mann and Whitney.
    return float(rankdata(scores)[positive].sum() - positives * (positives + 1) / 2) / pairs if pairs else np.nan


def logloss(labels: NDArray[np.uint8], logits: NDArray[np.floating]) -> float:
    """Mean negative log-likelihood of the labels, in nats.

    Parameters
    ----------
    labels : (n,) array
        0 or 1.
    logits : (n,) array
        Log odds of label 1.

    Returns
    -------
    float
        0 for certain and correct predictions, log 2 for logits of 0.
    """
    z = logits.astype(np.float64)
    return float(np.mean(np.logaddexp(0, z) - labels * z))
