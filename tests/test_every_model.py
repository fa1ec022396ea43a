"""Every model, as SE and ME, and a user's own model: trained, stopped, resumed and analysed."""

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
from torch import Tensor

from collapse import plugins
from collapse.analysis.factorised import factorise
from collapse.analysis.settings import PAPER
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.errors import CollapseError
from collapse.io.checkpoint.file import load_checkpoint
from collapse.io.load import load
from collapse.io.tables import TableSet
from collapse.measures.abundance import information_abundance
from collapse.training.models import registry
from collapse.training.models.interactions.dcnv2 import CrossConfig
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.reference import FORMULAS
from collapse.training.models.registry import model_config
from collapse.training.models.regularisers import block_norms, unitary_penalty
from collapse.training.runs.config import OptimiserConfig, RunConfig
from collapse.training.runs.loop import EpochResult
from collapse.training.runs.progress import RunStopped
from collapse.training.runs.run import Run
from tests.conftest import Collapse
from tests.sets import streams
from tests.test_run import train

OWN = '''
from dataclasses import dataclass

import torch
from collapse import Interaction, MLPConfig

@dataclass(frozen=True, kw_only=True)
class PooledConfig(MLPConfig):
    power: float = 1.0
    """The power of the pool."""

class Pooled(Interaction):
    """h = sum_i e_i."""

    reference = "our own"
    config_class = PooledConfig

    def __init__(self, n_fields, embedding_size, config):
        super().__init__(n_fields, embedding_size, config)
        self.widths = {"h": embedding_size}
        self.power = config.power

    def forward(self, e_BNK):
        return {"h": e_BNK.sum(1).abs() ** self.power}

class NoInteraction(torch.nn.Module):
    pass

@dataclass(frozen=True, kw_only=True)
class GreedyConfig(MLPConfig):
    sets: int = 1

class Greedy(Pooled):
    config_class = GreedyConfig
'''
NAMES = [
    *(name for model in sorted(FORMULAS) for name in (f"{model}-3", f"{model}-3x2")),
    *("dcnv2-3,regularised=lambda", "dcnv2-3x2,regularised=factor", "dcnv2-3x2,interactions=shared"),
    *("dcnv2-3x2,interactions=aligned", "dcnv2-3,depth=4,cross_layers=2"),
    *("ffm-3,linear=true", "finalmlp-3,feature_selection=false,fusion_start=zero", "ipnn-3x2,embeddings=false"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_resumes_bit_for_bit(name: str, small_data: Path, tmp_path: Path) -> None:
    """It is stopped in the middle of an epoch, and the final checkpoint is read by its layout."""
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
    tables = load(tmp_path / "whole" / "best.pt")
    assert (tables.name, tables.sets) == (name, config.model.sets)
    assert all(1 <= information_abundance(table.E) <= min(table.E.shape) for table in tables)
    own = config.model.interaction
    layers = own.cross_layers if isinstance(own, CrossConfig) else 1 if config.model.model == "ffm" else 0
    assert len(tables.field_maps) == layers * config.model.sets


class TestSubEmbeddings:
    def trained(self, name: str, small_data: Path, tmp_path: Path) -> Path:
        config = RunConfig(data=str(small_data), model=model_config(name), epochs=1)
        Run(config, tmp_path, "cpu").train()
        return tmp_path / "best.pt"

    @pytest.mark.parametrize("name", ["ffm-3", "ffm-3x2"])
    def test_of_ffm_are_its_own_tables(
        self, name: str, small_data: Path, tmp_path: Path, collapse: Collapse
    ) -> None:
        """Appendix H: E_i^{->j} is the part of E_i for field j, with all sets side by side."""
        path = self.trained(name, small_data, tmp_path)
        tables = load(path)
        assert tables.sizes == (2 * 3,)
        pairs = sub_embedding_abundance(factorise(tables, PAPER))
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
        path = self.trained("dcnv2-3,regularised=factor", small_data, tmp_path)
        state = load_checkpoint(path).state_dict
        W = state["interactions.0.layers.1.weight"].numpy().reshape(3, 3, 3, 3)
        n_NN = state["interactions.0.factors.1"].numpy()
        assert not np.allclose(n_NN, 1)
        (maps,) = load(path).layer(1)
        for i in range(3):
            for j in range(3):
                found = maps.map(i, j)
                assert found is not None
                np.testing.assert_allclose(found, n_NN[j, i] * W[j, :, i].T, rtol=1e-6)


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
        """Return the entry points, to which tests can add."""
        points = list(entry_points(group=registry.GROUP))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(plugins, "entry_points", lambda **_: points)
        plugins.points.cache_clear()
        registry._registered.cache_clear()
        return points

    @pytest.fixture(autouse=True)
    def forget(self) -> None:
        """Clear the cached entry points for the next test."""
        plugins.points.cache_clear()
        registry._registered.cache_clear()

    def test_it_trains_resumes_and_is_analysed(self, small_data: Path, collapse: Collapse) -> None:
        words = ["train", "--data", small_data, "--model", "own_models:Pooled", "--sets", 2, "--embedding-size", 4]
        code, out, err = collapse(*words, "--epochs", 1, "-c", "power=2")
        assert (code, err) == (0, "")
        assert out.startswith("own_models:Pooled-4x2,power=2.0,epochs=1 on small")
        folder = Path("runs/small-own_models.Pooled-4x2,power=2.0,epochs=1")
        code, out, _ = collapse("analyze", folder / "best.pt")
        assert code == 0
        assert "own_models:Pooled-4x2" in out
        code, _, err = collapse("train", "--resume", "--out", folder)
        assert code == 2
        assert err == (
            f"Error: cannot read the settings of a run from {folder}/config.json: its model is a class of your "
            "own: "
            "confirm it with --model own_models:Pooled\n"
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
        assert model_config("pooled-4,power=3").name == "pooled-4,power=3.0"
        assert "power=1.0" in collapse("models", "pooled")[1]

    @pytest.mark.parametrize(
        ("name", "value", "sentence"),
        [
            ("dnn", "own_models:Pooled", r"'dnn'"),
            (
                "My-Model",
                "own_models:Pooled",
                "'My-Model'",
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
            ("own_models:NoInteraction", "'own_models:NoInteraction'"),
            ("own_models:Greedy", "'own_models:Greedy' .*'sets'"),
            ("own_models:Nothing", "'own_models:Nothing' .*AttributeError"),
            ("no_models:Pooled", "'no_models:Pooled' .*ModuleNotFoundError"),
            ("broken_models:Broken", "'broken_models:Broken' .*ZeroDivisionError"),
        ],
    )
    def test_what_is_no_model(self, model: str, sentence: str) -> None:
        with pytest.raises(CollapseError, match=sentence):
            registry.interaction_class(model)


class TestFieldMaps:
    """E_i A_ij is what the forward pass multiplies."""

    def trained(self, name: str, small_data: Path, tmp_path: Path) -> tuple[MultiEmbeddingModel, TableSet, Tensor]:
        """Return a trained model, its checkpoint as read, and a batch of ids."""
        config = RunConfig(data=str(small_data), model=model_config(name), epochs=1)
        Run(config, tmp_path, "cpu").train()
        model = MultiEmbeddingModel((6, 41, 301), config.model)
        model.load_state_dict(dict(load_checkpoint(tmp_path / "best.pt").state_dict))
        tables = load(tmp_path / "best.pt")
        ids_BN = torch.tensor([[0, 1, 2], [4, 30, 299], [1, 0, 7]], dtype=torch.int32)
        return model, tables, ids_BN

    @pytest.mark.parametrize("name", ["dcnv2-3x2", "dcnv2-3,regularised=lambda", "dcnv2-3x2,regularised=factor"])
    def test_of_a_cross_layer(self, name: str, small_data: Path, tmp_path: Path) -> None:
        """(x_1 - x_0) / x_0 - b is W x_0: its block j is the sum over i of e_i A_ij."""
        model, tables, ids_BN = self.trained(f"{name},cross_layers=1", small_data, tmp_path)
        for m, e_BNK in enumerate(model.embedding(ids_BN)):
            (maps,) = (each for each in tables.layer(0) if each.set == m)
            x_0 = e_BNK.flatten(1)
            network = model.interactions[m]
            multiplied = (streams(network, e_BNK)["h"] - x_0) / x_0 - network.layers[0].bias  # type: ignore[index, union-attr]
            rows = [table.set(m)[ids_BN[:, i]] for i, table in enumerate(tables)]
            subs = [np.hstack(maps.sub_embeddings(i, E)) for i, E in enumerate(rows)]  # type: ignore[arg-type]
            np.testing.assert_allclose(multiplied.detach().numpy(), np.sum(subs, axis=0), rtol=2e-3, atol=1e-4)

    @pytest.mark.parametrize("name", ["ffm-3", "ffm-3x2,linear=true"])
    def test_of_ffm(self, name: str, small_data: Path, tmp_path: Path) -> None:
        """H is the sum over i < j of <E_i A_ij, E_j A_ji>."""
        model, tables, ids_BN = self.trained(name, small_data, tmp_path)
        for m, e_BNC in enumerate(model.embedding(ids_BN)):
            (maps,) = (each for each in tables.layer(0) if each.set == m)
            subs = [maps.sub_embeddings(i, table.set(m)[ids_BN[:, i]]) for i, table in enumerate(tables)]
            assert all(subs[i][i] is None for i in range(3))
            h = sum(((subs[i][j] * subs[j][i]).sum(1) for j in range(3) for i in range(j)), np.zeros(3))  # type: ignore[operator]
            np.testing.assert_allclose(model.interactions[m](e_BNC)["logit"][:, 0].detach(), h, rtol=1e-5)


def test_the_penalty_draws_towards_unitary_multiples(small_data: Path, tmp_path: Path) -> None:
    """A large weight lowers the penalty, and the reported loss does not include it."""
    model = model_config(embedding_size=4, regularised="lambda", penalty_weight=1.0)
    optimiser = OptimiserConfig(batch_size=256, learning_rate=0.01)
    config = RunConfig(data=str(small_data), model=model, optimiser=optimiser, epochs=2)
    run = Run(config, tmp_path / "a", "cpu", keep_last=True)
    results: list[EpochResult] = []
    run.train(report=results.append)
    assert results[0].train_loss < 1
    assert results[1].penalty < results[0].penalty
    light = replace(config, model=model_config(model.name, penalty_weight=1e-9))
    Run(light, tmp_path / "b", "cpu", keep_last=True).train()
    heavy_W, light_W = (
        load_checkpoint(tmp_path / folder / "last.pt").state_dict["interactions.0.layers.0.weight"]
        for folder in "ab"
    )

    def departure(W: torch.Tensor) -> float:
        """Return the penalty at the best lambda for W."""
        return float(unitary_penalty(W, block_norms(W, 3).square() / 4))

    assert departure(heavy_W) < 0.5 * departure(light_W)
