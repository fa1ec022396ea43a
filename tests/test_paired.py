"""The difference between two models on the same rows, with its sampling error."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from collapse.errors import CollapseError
from collapse.training.runs.paired import Predictions, _Ranked, paired_differences, read_predictions


def drawn(n: int, seed: int, levels: int = 1000) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    labels = (random.random(n) < 0.3).astype(np.uint8)
    labels[:2] = 0, 1
    return labels, np.round(random.standard_normal(n) + labels, int(np.log10(levels)))


@given(n=st.integers(4, 200), seed=st.integers(0, 999), levels=st.sampled_from([1, 10, 1000]))
def test_weights_are_repeated_rows(n: int, seed: int, levels: int) -> None:
    """With ties, as in scikit-learn."""
    labels, logits = drawn(n, seed, levels)
    weights = np.random.default_rng(seed + 1).integers(0, 3, n)
    weights[:2] = 1
    ours = _Ranked(Predictions(labels=labels, logits=logits)).auc(weights.astype(float))
    assert ours == pytest.approx(roc_auc_score(np.repeat(labels, weights), np.repeat(logits, weights)), abs=1e-12)


@given(seed=st.integers(0, 99))
def test_the_same_predictions_do_not_differ(seed: int) -> None:
    """Nor do predictions in the same order, in AUC."""
    labels, logits = drawn(300, seed)
    before = Predictions(labels=labels, logits=logits)
    same = paired_differences(before, before, resamples=20)
    for each in same.values():
        assert (each.value, each.low, each.high, each.is_significant) == (0, 0, 0, False)
    doubled = paired_differences(before, Predictions(labels=labels, logits=2 * logits), resamples=20)
    assert (doubled["auc"].low, doubled["auc"].high) == (0, 0)
    assert doubled["logloss"].value != 0


def test_the_value_is_that_of_all_rows_and_swaps_its_sign() -> None:
    labels, logits = drawn(500, 0)
    worse = logits + np.random.default_rng(1).standard_normal(500)
    before, after = (Predictions(labels=labels, logits=each) for each in (logits, worse))
    there, back = paired_differences(before, after), paired_differences(after, before)
    for name in ("auc", "logloss"):
        value = getattr(after.evaluation, name) - getattr(before.evaluation, name)
        assert there[name].value == pytest.approx(value)
        assert there[name].low <= value <= there[name].high
        assert back[name].low == pytest.approx(-there[name].high)
    assert there["auc"].is_significant
    assert there["auc"].high < 0


@pytest.mark.slow
def test_the_interval_covers_what_it_says() -> None:
    """For two equally good models: 95 %, within three standard errors of 400 studies."""
    covered = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        labels = (random.random(400) < 0.4).astype(np.uint8)
        shared = labels + random.standard_normal(400)
        one, other = (shared + 0.5 * random.standard_normal(400) for _ in range(2))
        found = paired_differences(
            Predictions(labels=labels, logits=one), Predictions(labels=labels, logits=other), resamples=300
        )
        covered += not found["auc"].is_significant
    assert abs(covered / 400 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 400) + 0.005


def test_one_class_alone_has_no_auc() -> None:
    ones = Predictions(labels=np.ones(9, np.uint8), logits=np.arange(9.0))
    assert np.isnan(paired_differences(ones, ones, resamples=5)["auc"].value)


class TestFiles:
    def test_they_are_read_as_they_were(self, tmp_path: Path) -> None:
        labels, logits = drawn(50, 0)
        Predictions(labels=labels, logits=logits).save(tmp_path / "test.npz")
        found = read_predictions(tmp_path / "test.npz")
        assert found is not None
        assert found.labels.tolist() == labels.tolist()
        np.testing.assert_array_equal(found.logits, logits.astype(np.float32))
        assert read_predictions(tmp_path / "none.npz") is None

    @pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
    def test_damaged_ones_are_sentences(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "test.npz").write_bytes(content)
        with pytest.raises(CollapseError, match=r"test\.npz is damaged"):
            read_predictions(tmp_path / "test.npz")

    def test_arrays_that_do_not_fit_are_refused(self, tmp_path: Path) -> None:
        for logits in (np.zeros(4, np.float32), np.zeros(3), np.zeros((3, 1), np.float32)):
            np.savez(tmp_path / "test.npz", labels=np.zeros(3, np.uint8), logits=logits)
            with pytest.raises(CollapseError, match="do not fit together"):
                read_predictions(tmp_path / "test.npz")

    def test_a_run_keeps_them(self, trained: dict[str, Path]) -> None:
        """Their AUC is that of the manifest, up to the rounding of logits."""
        folder = trained["dcnv2-4"].parent
        found = read_predictions(folder / "test.npz")
        manifest = json.loads((folder / "manifest.json").read_text())
        assert found is not None
        assert found.evaluation.auc == pytest.approx(manifest["test"]["auc"], abs=1e-6)
        assert found.evaluation.logloss == pytest.approx(manifest["test"]["logloss"], abs=1e-5)
