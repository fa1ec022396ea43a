"""Checkpoints are restored completely, run no code, and bad ones are refused with a reason."""

import io
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from collapse.errors import CollapseError
from collapse.io.checkpoint.file import load_checkpoint, save_checkpoint
from collapse.io.checkpoint.schema import FORMAT
from collapse.training.data.store.prepared import open_prepared
from collapse.training.data.store.split import split_rows
from collapse.training.models.registry import model_config
from collapse.training.runs.config import RunConfig


def test_a_plain_weights_only_load_reads_it(trained: dict[str, Path]) -> None:
    """Every key that a reader needs is there, as plain values and tensors."""
    content = torch.load(trained["dcnv2-4x2"], weights_only=True)
    assert content["format"] == FORMAT
    assert content["fields"] == ("colour", "shape", "customer")
    assert content["cardinalities"] == (6, 41, 301)
    assert content["config"]["seeds"] == {"split": 0, "initialisation": 0, "order": 0}
    assert RunConfig.from_dict(content["config"]).model == model_config(embedding_size=4, sets=2)
    assert {"python", "torch", "numpy", "embedding-collapse"} == set(content["versions"])


def test_the_row_counts_are_those_of_the_training_rows(trained: dict[str, Path], small_data: Path) -> None:
    data = open_prepared(small_data)
    ids = data.ids[split_rows(data.rows, 0).train]
    twin = [np.count_nonzero(ids[:, i] == row) for i, D in enumerate((6, 41, 301)) for row in range(D)]
    assert load_checkpoint(trained["dcnv2-4"]).row_counts.tolist() == twin


def test_it_comes_back_as_it_was(trained: dict[str, Path], tmp_path: Path) -> None:
    first = load_checkpoint(trained["dcnv2-4x2"])
    save_checkpoint(tmp_path / "copy.pt", first)
    assert (tmp_path / "copy.pt").read_bytes() == trained["dcnv2-4x2"].read_bytes()


class Launch:
    """A pickle that would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


class TestBadFiles:
    """Each is refused with one clear sentence, and no code in it runs."""

    def refused(self, path: Path, sentence: str) -> None:
        with pytest.raises(CollapseError, match=sentence):
            load_checkpoint(path)

    def test_missing_or_no_file(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "none.pt", r"none\.pt")
        self.refused(tmp_path, "folder")

    @pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps({"format": FORMAT})])
    def test_no_archive(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "a.pt").write_bytes(content)
        self.refused(tmp_path / "a.pt", "zip")

    def test_another_archive(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
            archive.writestr("a.txt", "x")
        self.refused(tmp_path / "a.pt", "damaged or truncated")

    def test_a_cut_off_file(self, trained: dict[str, Path], tmp_path: Path) -> None:
        """At any position."""
        whole = trained["dcnv2-4"].read_bytes()
        for length in range(4, len(whole) - 1, len(whole) // 150):
            (tmp_path / "a.pt").write_bytes(whole[:length])
            self.refused(tmp_path / "a.pt", "damaged or truncated")

    def test_code_is_not_run(self, tmp_path: Path) -> None:
        torch.save({"format": FORMAT, "x": Launch(tmp_path / "launched")}, tmp_path / "a.pt")
        self.refused(tmp_path / "a.pt", "refused")
        assert not (tmp_path / "launched").exists()

    def test_another_projects_file(self, tmp_path: Path) -> None:
        torch.save({"embedding.weight": torch.ones(3, 2)}, tmp_path / "a.pt")
        self.refused(tmp_path / "a.pt", "checkpoint of this project")

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"format_version": 99}, "has checkpoint format 99"),
            ({"row_counts": torch.ones(3)}, "348"),
            ({"cardinalities": (6, 41)}, "3 fields but 2 cardinalities"),
            ({"cardinalities": (6, 42, 300)}, "'shape' .*42 .*41"),
            ({"layout": {"tables": (), "maps": ()}}, r"'colour' .*\[\]"),
            ({"state_dict": {}}, "'embedding.weight'"),
            ({"layout": {"sets": 1}}, "damaged"),
        ],
    )
    def test_inconsistent_content(
        self, change: dict[str, object], sentence: str, trained: dict[str, Path], tmp_path: Path
    ) -> None:
        content = torch.load(trained["dcnv2-4"], weights_only=True)
        torch.save({**content, **change}, tmp_path / "a.pt")
        self.refused(tmp_path / "a.pt", sentence)

    def test_a_lacking_key(self, trained: dict[str, Path], tmp_path: Path) -> None:
        content = torch.load(trained["dcnv2-4"], weights_only=True)
        del content["layout"]
        torch.save(content, tmp_path / "a.pt")
        self.refused(tmp_path / "a.pt", "'layout'")


def test_a_full_disk_keeps_the_old_file(
    trained: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive writer's error does not hide the reason."""
    path = tmp_path / "a.pt"
    checkpoint = load_checkpoint(trained["dcnv2-4"])
    save_checkpoint(path, checkpoint)
    before = path.read_bytes()

    class Full(io.BytesIO):
        def write(self, content: object) -> int:
            raise OSError(28, "No space left on device")

    def save(content: object, _file: object) -> None:
        real_save(content, Full())

    real_save = torch.save
    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(CollapseError, match=r"a\.pt.*no space"):
        save_checkpoint(path, replace(checkpoint, name="other"))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pt"]
