"""Studies: what is read from a folder of runs, and what is stored in it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.analysis.diagnosis import diagnose
from collapse.errors import CollapseError
from collapse.study import result_cache as kept_module
from collapse.study.execute import execute, folder_name
from collapse.study.result_cache import cached_result
from collapse.study.study import Study
from collapse.training.data.store.split import nested_subset
from collapse.training.models.registry import model_config
from collapse.training.runs.config import OptimiserConfig, RunConfig, Seeds
from collapse.training.runs.run import Run
from tests.conftest import Collapse
from tests.small_data import write_small_data


def small_run(data: Path, model: str = "fm-4", **options: object) -> RunConfig:
    return replace(RunConfig(data=str(data), model=model_config(model), epochs=2), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study")
    other = write_small_data(out / "elsewhere" / "other", seed=1)
    configs = [
        small_run(small_data),
        small_run(small_data, seeds=Seeds(initialisation=1)),
        small_run(small_data, "fm-4x2"),
        small_run(other),
    ]
    for config in configs:
        execute(config.as_dict(), str(out / "runs" / folder_name(config)), device="cpu", threads=1)
    Run(configs[0], out / "runs" / "by hand", "cpu")  # Nothing is written before training begins.
    return out / "runs"


class TestStudy:
    def test_every_run_is_there_with_a_label_of_its_own(self, folder: Path) -> None:
        study = Study(folder)
        assert len(study) == len(list(study)) == 4
        assert len({run.label for run in study}) == 4
        assert [run.finished for run in study] == [True] * 4
        assert any("init" in run.label for run in study), [run.label for run in study]

    def test_results_are_the_manifests(self, folder: Path) -> None:
        results = Study(folder).results
        assert len(results) == 4
        for row in results.itertuples():
            manifest = json.loads((Path(str(row.path)) / "manifest.json").read_text())
            assert row.test_auc == manifest["test"]["auc"]
            assert row.data_hash == manifest["data"]["sha256"]
            assert (row.train_rows, row.epochs) == (2400, 2)
        assert sorted(results["name"]) == ["fm-4", "fm-4", "fm-4", "fm-4x2"]
        assert sorted(results["initialisation"]) == [0, 0, 0, 1]

    def test_epochs_are_the_metrics(self, folder: Path) -> None:
        epochs = Study(folder).epochs
        assert len(epochs) == 8
        assert epochs.groupby("label")["epoch"].apply(list).tolist() == [[1, 2]] * 4

    def test_nothing_is_computed_twice(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        run = Study(folder).runs[0]
        first = run.fields()
        expected = diagnose(run.path / "best.pt")
        for column in ("ia", "ia_random", "field", "rows_trained"):
            assert first[column].tolist() == expected[column].tolist()
        monkeypatch.setattr("collapse.study.study.diagnose", None)
        assert Study(folder).runs[0].fields().equals(first)

    def test_a_study_is_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(CollapseError, match="is not a folder"):
            Study(tmp_path / "none")
        assert Study(tmp_path).results.empty
        assert Study(tmp_path).epochs.empty


class TestExecute:
    def test_it_goes_on_and_then_trains_nothing(self, small_data: Path, tmp_path: Path) -> None:
        config = small_run(small_data)
        first = execute(config.as_dict(), str(tmp_path / "run"), device="cpu")
        assert not first["already"]
        assert execute(config.as_dict(), str(tmp_path / "run"), device="cpu") == {**first, "already": True}
        assert json.loads(json.dumps(first)) == first

    def test_a_folders_name_tells_what_matters(self, small_data: Path, tmp_path: Path) -> None:
        config = small_run(small_data)
        copy = write_small_data(tmp_path / "a copy")
        names = [
            folder_name(config),
            folder_name(replace(config, optimiser=OptimiserConfig(batch_size=100))),
            folder_name(small_run(small_data, seeds=Seeds(order=1))),
            folder_name(small_run(write_small_data(tmp_path / "other", seed=1))),
        ]
        assert len(set(names)) == 4
        assert folder_name(replace(config, data=str(copy))) == names[0]
        assert all(name.startswith("fm-4") for name in names)


class TestKept:
    FRAME = pd.DataFrame({"n": [1, 2], "x": [0.1, 1 / 3], "text": ["a", "b"], "none": [None, "c"]})

    def test_other_choices_and_other_checkpoints_are_computed(self, tmp_path: Path) -> None:
        path, calls = tmp_path / "best.pt", []
        path.write_bytes(b"first")

        def compute() -> pd.DataFrame:
            calls.append(1)
            return self.FRAME

        for settings in ({"a": 1}, {"a": 1}, {"a": 2}):
            assert cached_result(path, "x", settings, compute)["x"].tolist() == [0.1, 1 / 3]
        assert len(calls) == 2
        path.write_bytes(b"second")
        cached_result(path, "x", {"a": 1}, compute)
        assert len(calls) == 3

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"\xff"])
    def test_a_damaged_file_is_none(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "best.pt"
        path.write_bytes(b"x")
        fresh = cached_result(path, "x", {}, lambda: self.FRAME)
        [file] = (tmp_path / kept_module.FOLDER).iterdir()
        file.write_bytes(content)
        assert cached_result(path, "x", {}, lambda: self.FRAME).equals(fresh)

    def test_what_comes_back_is_what_was_kept(self, tmp_path: Path) -> None:
        frame = pd.DataFrame(
            {"x": [1.7976931348623157e308, 5e-324, float("nan"), float("inf"), 0.1], "n": range(5)}
        )
        (tmp_path / "best.pt").write_bytes(b"x")
        first = cached_result(tmp_path / "best.pt", "x", {}, lambda: frame)
        again = cached_result(tmp_path / "best.pt", "x", {}, pd.DataFrame)
        pd.testing.assert_frame_equal(first, frame, check_exact=True)
        pd.testing.assert_frame_equal(again, frame, check_exact=True)


@given(st.integers(1, 300), st.floats(0.001, 1), st.floats(0.001, 1), st.integers(0, 5))
def test_a_smaller_share_is_part_of_a_larger_one(rows: int, a: float, b: float, seed: int) -> None:
    of = np.arange(rows) * 3
    small, large = (nested_subset(of, fraction, seed=seed) for fraction in sorted((a, b)))
    assert set(small) <= set(large) <= set(of)
    assert len(large) == max(int(max(a, b) * rows), 1)
    assert np.all(np.diff(large) > 0)
    assert np.array_equal(nested_subset(of, 1.0, seed=seed), of)


def test_a_share_of_the_training_rows(small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
    words = ("train", "--data", small_data, "--model", "fm", "--epochs", 1, "--out", tmp_path / "run")
    code, out, _ = collapse(*words, "--train-share", 0.1)
    assert (code, "epochs=1 on small: 240 training rows" in out) == (0, True)
    run, whole = (
        Run(small_run(small_data, train_share=0.1), tmp_path / "a"),
        Run(small_run(small_data), tmp_path / "b"),
    )
    assert set(run.split.train) < set(whole.split.train)
    assert np.array_equal(run.split.test, whole.split.test)
    from collapse.io.checkpoint.file import load_checkpoint

    assert int(load_checkpoint(tmp_path / "run" / "best.pt").row_counts.sum()) == 240 * 3
    assert collapse(*words, "--train-share", 0)[0] == 2
