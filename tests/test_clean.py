"""collapse clean: what is listed, what is deleted, and what stays."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from collapse.study.study import Study
from collapse.training.runs.config import RunConfig
from collapse.training.runs.run import Run
from tests.conftest import Collapse
from tests.test_study import small_run


@pytest.fixture
def study(small_data: Path, tmp_path: Path) -> Path:
    """Return a study of a finished run that kept its last state, and one that was stopped."""
    config: RunConfig = replace(small_run(small_data), epochs=1)
    Run(config, tmp_path / "s" / "finished", "cpu", keep_last=True).train()
    stopped = replace(config, epochs=2)
    Run(stopped, tmp_path / "s" / "stopped", "cpu", keep_last=True).train()
    manifest = tmp_path / "s" / "stopped" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "status": "unfinished"}))
    (tmp_path / "s" / "finished" / ".best.pt.abc.partial").write_bytes(b"x" * 100)
    (tmp_path / "s" / "finished" / "notes.partial").write_text("mine")
    (tmp_path / "s" / ".jobs" / "1").mkdir(parents=True)
    (tmp_path / "s" / ".jobs" / "1" / "log.out").write_text("done")
    return tmp_path / "s"


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_deleted_without_being_asked(study: Path, collapse: Collapse) -> None:
    before = names(study)
    code, out, _ = collapse("clean", study)
    assert code == 0
    assert "state for resuming a run that is finished" in out
    assert out.endswith(f"can be freed\nnext: collapse clean {study} --delete\n")
    assert names(study) == before


def test_what_is_deleted(study: Path, collapse: Collapse) -> None:
    """The stopped run keeps its state, and logs stay while a run is left."""
    before = names(study)
    code, out, _ = collapse("clean", study, "--delete", "--json")
    assert code == 0
    listed = {str(Path(each["path"]).relative_to(study)) for each in json.loads(out)["files"]}
    assert listed == {"finished/last.pt", "finished/.best.pt.abc.partial"}
    assert names(study) == before - listed
    assert len(Study(study).finished) == 1


def test_logs_of_a_study_that_is_done(study: Path, collapse: Collapse) -> None:
    manifest = study / "stopped" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"unfinished"', '"finished"'))
    collapse("clean", study, "--delete")
    assert "log.out" not in {path.name for path in study.rglob("*")}
    assert "0.0 MB can be freed" in collapse("clean", study)[1]


def test_a_run_in_progress_is_left_alone(study: Path, small_data: Path, collapse: Collapse) -> None:
    with Run(replace(small_run(small_data), epochs=1), study / "finished", "cpu").folder.owned():
        assert json.loads(collapse("clean", study, "--json")[1])["files"] == []


def test_no_study(tmp_path: Path, collapse: Collapse) -> None:
    assert collapse("clean", tmp_path)[0] == 2
    code, _, err = collapse("clean", tmp_path / "none")
    assert (code, "is not a folder" in err) == (2, True)
