"""Exact AUC and logloss of a whole split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was measured on one split."""

    auc: float
    """Area under the ROC curve."""
    logloss: float
    """Mean negative log-likelihood, in nats."""


def auc(labels: NDArray[np.uint8], scores: NDArray[np.floating]) -> float:
    """Area under the ROC curve: the chance that a positive row scores above a negative one, ties counting half.

    Parameters
    ----------
    labels : (n,) array
        0 or 1.
    scores : (n,) array
        Any increasing function of the predicted probability, finite.

    Returns
    -------
    float
        From 0 to 1: 1 if every positive scores above every negative, 0.5 if all scores are equal; NaN if one
        class is absent. Exact: pairs are counted as integers.
    """
    order = np.argsort(scores)
    sorted_labels, sorted_scores = labels[order], scores[order]
    last_of_tie = np.append(sorted_scores[1:] != sorted_scores[:-1], True).nonzero()[0]
    positives = np.diff(np.cumsum(sorted_labels, dtype=np.int64)[last_of_tie], prepend=0)
    sizes = np.diff(last_of_tie, prepend=-1)
    negatives = sizes - positives
    pairs = int(positives.sum()) * int(negatives.sum())
    if pairs == 0:
        return float("nan")
    below = np.cumsum(negatives) - negatives
    return int((positives * (2 * below + negatives)).sum()) / (2 * pairs)


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
        0 for certain and right predictions, log 2 for logits of 0.
    """
    z = logits.astype(np.float64)
    return float(np.mean(np.logaddexp(0, z) - labels * z))
