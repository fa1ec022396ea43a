"""Every model, SE and ME, and a model of a user's own: trained, stopped, resumed and analysed."""

import json
import os
import signal
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np
import pytest
import torch

from collapse.analysis.choices import Choices
from collapse.analysis.factors import factorise
from collapse.analysis.measures.abundance import information_abundance
from collapse.analysis.readers.native import read_native
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.checkpoint import load_checkpoint
from collapse.errors import CollapseError
from collapse.training import registry
from collapse.training.config import OptimiserConfig, RunConfig
from collapse.training.loop import EpochResult
from collapse.training.model_config import ModelConfig, model_config
from collapse.training.models.regularisers import block_norms, unitary_penalty
from collapse.training.run import Run, RunStopped
from tests.conftest import Collapse
from tests.test_run import train
from tests.twins import TWINS

OWN = '''
import torch
from collapse.training.models import Interaction

class Pooled(Interaction):
    """h = sum_i e_i."""

    reference = "our own"

    def __init__(self, fields, config):
        super().__init__(fields, config)
        self.width = self.K

    def forward(self, e_BNC):
        return e_BNC.sum(1)

class NoInteraction(torch.nn.Module):
    pass
'''
NAMES = [
    *(name for model in sorted(TWINS) for name in (f"{model}-3", f"{model}-3x2")),
    *("dcnv2-3-reg", "dcnv2-3x2-reg-code", "dcnv2-3x2-shared", "dcnv2-3x2-aligned", "dcnv2-3-cross2-depth4"),
    *("ffm-3-code", "finalmlp-3-code", "ipnn-3x2-code"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_resumes_bit_for_bit(name: str, small_data: Path, tmp_path: Path) -> None:
    """Stopped in the middle of an epoch; and its checkpoint is read by what its layout says."""
    optimiser = OptimiserConfig(batch_size=512, learning_rate=0.01)
    config = RunConfig(data=str(small_data), model=model_config(name), optimiser=optimiser, epochs=2)
    whole = train(config, tmp_path / "whole")

    def stop(result: EpochResult) -> None:
        if result.epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(RunStopped):
        train(config, tmp_path / "stopped", report=stop)
    state = load_checkpoint(tmp_path / "stopped" / "last.pt").training_state
    assert state is not None
    assert (state["epochs_done"], state["steps_done"]) == (1, 1)
    assert train(config, tmp_path / "stopped", resume=True) == whole
    tables = read_native(tmp_path / "whole" / "best.pt")
    assert (tables.name, tables.sets) == (name, config.model.sets)
    assert all(1 <= information_abundance(table.E) <= min(table.E.shape) for table in tables)
    layers = config.model.cross_layers * config.model.sets if config.model.model == "dcnv2" else 0
    assert len(tables.interactions) == layers


class TestSubEmbeddings:
    def trained(self, name: str, small_data: Path, tmp_path: Path) -> Path:
        config = RunConfig(data=str(small_data), model=model_config(name), epochs=1)
        Run(config, tmp_path, "cpu").train()
        return tmp_path / "best.pt"

    @pytest.mark.parametrize("name", ["ffm-3", "ffm-3x2"])
    def test_of_ffm_are_its_own_tables(
        self, name: str, small_data: Path, tmp_path: Path, collapse: Collapse
    ) -> None:
        """Appendix H: E_i^{->j} is the part of E_i for field j, of all sets side by side."""
        path = self.trained(name, small_data, tmp_path)
        tables = read_native(path)
        assert tables.embedding_size == 2 * 3
        pairs = sub_embedding_abundance(factorise(tables, Choices()))
        ia = pairs.pivot_table(index="source", columns="target", values="ia", dropna=False)
        for i, table in enumerate(tables):
            others = [field for field in tables.fields if field != table.field]
            for part, target in enumerate(others):
                subs = [table.set(m)[:, part * 3 : part * 3 + 3] for m in range(tables.sets)]
                expected = information_abundance(np.concatenate(subs, axis=1))
                assert ia.loc[table.field, target] == pytest.approx(expected, rel=1e-9)
            assert np.isnan(
                ia.to_numpy()[list(ia.index).index(table.field), list(ia.columns).index(tables.fields[i])]
            )
        code, _, err = collapse("analyze", path, "--figure", "3", "--out", tmp_path / "figures")
        assert (code, err) == (0, "")
        assert list((tmp_path / "figures").glob("*3*.png"))

    def test_of_the_codes_regularised_dcnv2_have_their_factors(self, small_data: Path, tmp_path: Path) -> None:
        path = self.trained("dcnv2-3-reg-code", small_data, tmp_path)
        state = load_checkpoint(path).state_dict
        W = state["interactions.0.layers.1.weight"].numpy().reshape(3, 3, 3, 3)
        n_NN = state["interactions.0.factors.1"].numpy()
        assert not np.allclose(n_NN, 1)
        (weights,) = read_native(path).layer(1)
        for i in range(3):
            for j in range(3):
                np.testing.assert_allclose(weights.blocks[i, j], n_NN[j, i] * W[j, :, i], rtol=1e-6)


class TestAModelOfOnesOwn:
    @pytest.fixture(autouse=True)
    def file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the file into the current folder."""
        (tmp_path / "own_models.py").write_text(OWN)
        (tmp_path / "broken_models.py").write_text("1 / 0")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.delitem(sys.modules, "own_models", raising=False)

    @pytest.fixture
    def registered(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[EntryPoint]:
        """Return the entry points, to which a test adds."""
        points = list(entry_points(group=registry.GROUP))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        registry._registered.cache_clear()
        return points

    @pytest.fixture(autouse=True)
    def forget(self) -> None:
        """Let the next test see the entry points anew."""
        registry._registered.cache_clear()

    def test_it_trains_resumes_and_is_analysed(self, small_data: Path, collapse: Collapse) -> None:
        words = ["train", "--data", small_data, "--model", "own_models:Pooled", "--sets", 2, "--embedding-size", 4]
        code, out, err = collapse(*words, "--epochs", 1)
        assert (code, err) == (0, "")
        assert out.startswith("own_models:Pooled-4x2 on small")
        folder = Path("runs/small-own_models.Pooled-4x2-seeds0.0.0")
        code, out, _ = collapse("analyze", folder / "best.pt")
        assert code == 0
        assert "own_models:Pooled-4x2" in out
        code, _, err = collapse("train", "--resume", "--out", folder)
        assert (code, err.splitlines()[-1]) == (
            2,
            f"Error: the run in {folder} is of a model of your own: name it again, --model own_models:Pooled",
        )
        code, out, _ = collapse("train", "--resume", "--out", folder, "--model", "own_models:Pooled")
        assert (code, "already finished" in out) == (0, True)

    def test_registered_as_an_entry_point(self, registered: list[EntryPoint], collapse: Collapse) -> None:
        registered.append(EntryPoint("pooled", "own_models:Pooled", registry.GROUP))
        registered.append(EntryPoint("broken", "broken_models:Broken", registry.GROUP))
        listed = {model["model"]: model for model in json.loads(collapse("models", "--json")[1])}
        assert listed["pooled"]["formula"] == "h = sum_i e_i."
        assert listed["pooled"]["reference"] == "our own"
        assert "ZeroDivisionError" in listed["broken"]["error"]
        code, out, _ = collapse("models")
        assert code == 0
        assert "h = sum_i e_i." in out
        assert isinstance(registry.build_interaction(3, ModelConfig(model="pooled")), torch.nn.Module)

    @pytest.mark.parametrize(
        ("name", "value", "sentence"),
        [
            ("dnn", "own_models:Pooled", r"two packages register the model 'dnn' \("),
            (
                "My-Model",
                "own_models:Pooled",
                "own_models:Pooled is registered as the model 'My-Model': a name has",
            ),
        ],
    )
    def test_bad_registrations(self, name: str, value: str, sentence: str, registered: list[EntryPoint]) -> None:
        registered.append(EntryPoint(name, value, registry.GROUP))
        with pytest.raises(CollapseError, match=sentence):
            registry.model_names()

    @pytest.mark.parametrize(
        ("model", "sentence"),
        [
            ("own_models:NoInteraction", "'own_models:NoInteraction' is no subclass of"),
            ("own_models:Nothing", "'own_models:Nothing' cannot be imported: AttributeError"),
            ("no_models:Pooled", "'no_models:Pooled' cannot be imported: ModuleNotFoundError"),
            ("broken_models:Broken", "'broken_models:Broken' cannot be imported: ZeroDivisionError"),
        ],
    )
    def test_what_is_no_model(self, model: str, sentence: str) -> None:
        with pytest.raises(CollapseError, match=sentence):
            registry.interaction_class(model)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (ModelConfig(model="dnn", cross_layers=8), "dnn takes no cross_layers, which is 8"),
        (ModelConfig(model="ipnn", regularised=True), "ipnn takes no regularised, which is True"),
        (ModelConfig(model="fm", hidden=800), "fm takes no hidden, which is 800"),
        (ModelConfig(model="dnn", reading="code"), "dnn takes no reading, which is 'code'"),
        (ModelConfig(penalty_weight=1.0), "penalty_weight needs regularised, or aligned"),
    ],
)
def test_a_setting_that_a_model_does_not_take(config: ModelConfig, sentence: str) -> None:
    with pytest.raises(CollapseError, match=sentence):
        registry.build_interaction(3, config)


def test_a_checkpoint_of_the_first_format_is_read(trained: dict[str, Path], tmp_path: Path) -> None:
    """It knew neither sub-embeddings nor factors."""
    content = torch.load(trained["dcnv2-4"], weights_only=True)
    content["format_version"] = 1
    del content["layout"]["sub_embeddings"]
    for projection in content["layout"]["projections"]:
        del projection["factors"]
    torch.save(content, tmp_path / "old.pt")
    new, old = read_native(trained["dcnv2-4"]), read_native(tmp_path / "old.pt")
    assert all(np.array_equal(a.E, b.E) for a, b in zip(new, old, strict=True))


def test_the_penalty_draws_towards_unitary_multiples(small_data: Path, tmp_path: Path) -> None:
    """A heavy weight brings the penalty down, and the loss that is reported is without it."""
    model = ModelConfig(embedding_size=4, regularised=True, penalty_weight=1.0)
    optimiser = OptimiserConfig(batch_size=256, learning_rate=0.01)
    config = RunConfig(data=str(small_data), model=model, optimiser=optimiser, epochs=2)
    run = Run(config, tmp_path / "a", "cpu")
    results: list[EpochResult] = []
    run.train(report=results.append)
    assert results[0].train_loss < 1
    light = replace(config, model=replace(model, penalty_weight=1e-9))
    Run(light, tmp_path / "b", "cpu").train()
    heavy_W, light_W = (
        load_checkpoint(tmp_path / folder / "last.pt").state_dict["interactions.0.layers.0.weight"]
        for folder in "ab"
    )

    def departure(W: torch.Tensor) -> float:
        """Return the penalty at the lambda that suits W best."""
        return float(unitary_penalty(W, block_norms(W, 3).square() / 4))

    assert departure(heavy_W) < 0.5 * departure(light_W)
