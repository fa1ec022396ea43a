"""AUC and logloss agree with scikit-learn and reach their extremes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from collapse.training.runs.metrics import auc, logloss

scored_labels = st.lists(
    st.tuples(st.integers(0, 1), st.one_of(st.sampled_from([0.0, 0.5, -1.0]), st.floats(-6, 6, width=32))),
    min_size=2,
    max_size=60,
).filter(lambda rows: len({label for label, _ in rows}) == 2)


@given(scored_labels)
def test_auc_and_logloss_equal_scikit_learns(rows: list[tuple[int, float]]) -> None:
    """With ties, to 1e-12."""
    labels = np.array([label for label, _ in rows], dtype=np.uint8)
    logits = np.array([score for _, score in rows], dtype=np.float32)
    assert auc(labels, logits) == pytest.approx(roc_auc_score(labels, logits), abs=1e-12)
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    assert logloss(labels, logits) == pytest.approx(log_loss(labels, probability), abs=1e-12)


@given(scored_labels)
def test_auc_of_swapped_labels_is_the_complement(rows: list[tuple[int, float]]) -> None:
    labels = np.array([label for label, _ in rows], dtype=np.uint8)
    scores = np.array([score for _, score in rows])
    assert auc(1 - labels, scores) == pytest.approx(1 - auc(labels, scores), abs=1e-12)


def test_auc_extremes() -> None:
    """AUC is 1 if every positive has a higher score, 0.5 if all scores are equal, NaN with one class."""
    labels = np.array([0, 0, 1, 1], dtype=np.uint8)
    assert auc(labels, np.array([0.1, 0.2, 0.3, 0.4])) == 1
    assert auc(labels, np.zeros(4)) == 0.5
    assert math.isnan(auc(np.ones(3, dtype=np.uint8), np.arange(3.0)))


def test_logloss_of_no_knowledge_is_log_2() -> None:
    assert logloss(np.array([0, 1], dtype=np.uint8), np.zeros(2)) == pytest.approx(math.log(2))
    assert logloss(np.array([0, 1], dtype=np.uint8), np.array([-800.0, 800.0])) == 0
