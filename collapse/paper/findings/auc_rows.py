"""The error of AUC that comes from the test rows, which all runs of a study share.

Shapes: m rows of label 1, n of label 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def placements(labels: NDArray[np.uint8], scores: NDArray[np.floating]) -> tuple[NDArray[np.float64], ...]:
    """Return the structural components of an AUC, whose means both equal the AUC.

    Parameters
    ----------
    labels : (m + n,) array
        0 or 1.
    scores : (m + n,) array
        Any increasing function of the predicted probability.

    Returns
    -------
    positives : (m,) array
        For each row of label 1, the fraction of rows of label 0 that score lower; ties count half.
    negatives : (n,) array
        For each row of label 0, the fraction of rows of label 1 that score higher.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988, in the O(n log n) form of Sun and Xu, IEEE Signal
    Processing Letters 21, 2014.
    """
    from scipy import stats

    is_positive = labels.astype(bool)
    m, n = int(is_positive.sum()), int((~is_positive).sum())
    ranks = stats.rankdata(scores)
    among_own = np.empty(len(scores))
    among_own[is_positive] = stats.rankdata(scores[is_positive])
    among_own[~is_positive] = stats.rankdata(scores[~is_positive])
    others = ranks - among_own
    return others[is_positive] / n, 1 - others[~is_positive] / m


def row_variance(weighted: Sequence[tuple[float, NDArray[np.uint8], NDArray[np.floating]]]) -> float:
    """Return the variance that the rows give to a weighted sum of AUCs on the same rows.

    Parameters
    ----------
    weighted : sequence of (float, (m + n,) array, (m + n,) array)
        Weight, labels and scores of each AUC. The weights 1 and -1 give the difference of two.

    Returns
    -------
    float
        DeLong's variance; NaN if a class has fewer than two rows or the labels differ.
    """
    first = weighted[0][1]
    m, n = int(first.sum()), int(len(first) - first.sum())
    if min(m, n) < 2 or any(not np.array_equal(first, labels) for _, labels, _ in weighted):
        return float("nan")
    positives, negatives = np.zeros(m), np.zeros(n)
    for weight, labels, scores in weighted:
        of_positives, of_negatives = placements(labels, scores)
        positives += weight * of_positives
        negatives += weight * of_negatives
    return float(positives.var(ddof=1) / m + negatives.var(ddof=1) / n)
