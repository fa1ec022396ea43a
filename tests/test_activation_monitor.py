"""The monitor of layers' outputs: its numbers are those of the outputs, and it leaves the training alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from collapse import ActivationMonitor, effective_rank, information_abundance, singular_values
from tests.conftest import Collapse


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3), nn.Linear(3, 1))


def test_its_numbers_are_those_of_the_outputs() -> None:
    net = model()
    monitor = ActivationMonitor(net, every_n_steps=2)
    batches = [torch.randn(40, 5) for _ in range(4)]
    for batch in batches:
        net(batch)
        monitor.step()
    found = monitor.history
    assert sorted(set(found["step"])) == [2, 4]
    assert found.loc[found["step"] == 4, "layer"].tolist() == ["0", "1", "3"]
    row: Any = found[(found["step"] == 4) & (found["layer"] == "0")].iloc[0]
    h = net[0](batches[3]).detach().double()
    unit = h / h.norm(dim=1, keepdim=True)
    cosines = (unit @ unit.T)[~torch.eye(40, dtype=torch.bool)]
    assert (row["rows"], row["size"]) == (40, 8)
    assert row["ia"] == pytest.approx(information_abundance(h), rel=1e-7)
    assert row["effective_rank"] == pytest.approx(effective_rank(singular_values(h)), rel=1e-7)
    assert row["mean_cosine"] == pytest.approx(float(cosines.mean()), rel=1e-9)


def test_several_batches_are_measured_together() -> None:
    net = model()
    monitor = ActivationMonitor(net, ["0"], every_n_steps=4, batches=3)
    batches = [torch.randn(10, 5) for _ in range(4)]
    for batch in batches:
        net(batch)
        monitor.step()
    row: Any = monitor.history.iloc[0]
    h = net[0](torch.cat(batches[1:])).detach()
    assert (row["rows"], row["ia"]) == (30, pytest.approx(information_abundance(h), rel=1e-6))


def test_hooks_are_only_there_for_a_measurement() -> None:
    net = model()
    monitor = ActivationMonitor(net, every_n_steps=5)
    hooked = []
    for _ in range(10):
        hooked.append(len(net[0]._forward_hooks) > 0)
        net(torch.randn(4, 5))
        monitor.step()
    assert hooked == ([False] * 4 + [True]) * 2
    monitor = ActivationMonitor(net, every_n_steps=1)
    monitor.close()
    assert not net[0]._forward_hooks


def test_it_changes_no_training() -> None:
    trained = []
    for watched in (False, True):
        net = model()
        optimiser = torch.optim.SGD(net.parameters(), 0.1)
        monitor = ActivationMonitor(net, every_n_steps=1) if watched else None
        torch.manual_seed(1)
        for _ in range(5):
            optimiser.zero_grad()
            net(torch.randn(20, 5)).square().mean().backward()
            optimiser.step()
            if monitor:
                monitor.step()
        trained.append([parameter.detach().clone() for parameter in net.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*trained, strict=True))


class Odd(nn.Module):
    """Returns what its caller asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, output: Any) -> Any:
        return self.layer(output)


def test_outputs_of_any_kind(caplog: pytest.LogCaptureFixture) -> None:
    net = Odd()
    monitor = ActivationMonitor(net, ["layer"], every_n_steps=1)
    E = torch.randn(30, 4)
    outputs: list[Any] = [
        {"a": E, "b": (E, [E])}, E.reshape(5, 6, 4), E.bfloat16(), None, "text", E.long(), E[:, :1], E[:0],
        torch.full((3, 4), float("nan")), torch.zeros(3, 4), torch.empty(3, 4, device="meta"), E[0], (),
    ]  # fmt: skip
    for output in outputs:
        net(output)
        monitor.step()
    assert set(monitor.history["layer"]) == {"layer", "layer.a", "layer.b.0", "layer.b.1"}
    assert monitor.history["ia"].iloc[:4].tolist() == pytest.approx([information_abundance(E)] * 4, rel=1e-6)
    assert set(monitor.problems) == {"layer"}
    assert len(caplog.records) == 2
    assert np.isfinite(monitor.history["ia"]).all()


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no layer 'nope'; it has 0, 1"):
        ActivationMonitor(model(), ["nope"])
    with pytest.raises(ValueError, match="must be at least 1"):
        ActivationMonitor(model(), every_n_steps=0)


def test_what_is_logged() -> None:
    logged: dict[str, float] = {}
    net = model()
    monitor = ActivationMonitor(net, ["0"], every_n_steps=1, log=lambda values, _: logged.update(values))
    net(torch.randn(30, 5))
    monitor.step()
    assert set(logged) == {f"activations/{name}/0" for name in ("ia", "effective_rank", "mean_cosine")}


def collapsing(x: Tensor) -> Tensor:
    return x.mean(0, keepdim=True).expand(len(x), -1)


def test_a_collapsed_layer_is_seen() -> None:
    net = Odd()
    monitor = ActivationMonitor(net, ["layer"], every_n_steps=1)
    for output in (torch.randn(500, 6), collapsing(torch.randn(500, 6))):
        net(output)
        monitor.step()
    found = monitor.history
    spread, collapsed = found["ia"].tolist()
    assert spread > 5
    assert collapsed == pytest.approx(1)
    assert found["mean_cosine"].tolist() == pytest.approx([0, 1], abs=0.1)


def test_a_run_records_its_layers(small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
    """`train --monitor layers` changes no weight, and its rows are drawn."""
    words = ["--data", small_data, "--epochs", 2, "--model", "dcnv2-4x2"]
    assert collapse("train", *words, "--out", tmp_path / "plain")[0] == 0
    assert collapse("train", *words, "--out", tmp_path / "watched", "--monitor", "layers")[0] == 0
    plain, watched = (
        torch.load(tmp_path / name / "best.pt", weights_only=True)["state_dict"] for name in ("plain", "watched")
    )
    assert all(torch.equal(weight, watched[name]) for name, weight in plain.items())
    found = pd.read_csv(tmp_path / "watched" / "layers.csv")
    assert sorted(set(found["epoch"])) == [0, 1, 2]
    assert {"embedding.0", "embedding.1", "projections.0.h", "head.mlp.0"} <= set(found["layer"])
    assert ((found["ia"] >= 1) & (found["ia"] <= found["size"])).all()
    code, out, _ = collapse("analyze", tmp_path / "watched" / "best.pt", "--figure", "layers", "--out", tmp_path)
    assert (code, "figure-layers.png" in out) == (0, True)
    code, _, err = collapse("analyze", tmp_path / "plain" / "best.pt", "--figure", "layers")
    assert (code, "figure layers needs layers.csv next to" in err) == (2, True)
