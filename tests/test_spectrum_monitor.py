"""The monitor in other training loops: plain, in Lightning, and in Hugging Face's Trainer."""

import csv
import json
import re
import subprocess
import sys
import warnings
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from collapse import CollapseError, SpectrumMonitor, information_abundance, random_abundance
from tests.conftest import Collapse


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(50, 4, padding_idx=0), nn.EmbeddingBag(30, 4, mode="mean")
        self.bias, self.head = nn.Embedding(50, 1), nn.Linear(8, 1)

    def forward(self, ids: Tensor) -> Tensor:
        both = torch.cat([self.user(ids[:, 0]), self.item(ids[:, 1:])], 1)
        out: Tensor = self.head(both) + self.bias(ids[:, 0])
        return out


def test_what_is_logged_is_the_abundance_of_the_moment() -> None:
    """Tables of one column do not count, and a changing table is measured at each moment."""
    model, logged = Model(), []
    monitor = SpectrumMonitor(model, every_n_steps=2, log=lambda values, step: logged.append((step, values)))
    for step in range(1, 6):
        with torch.no_grad():
            model.user.weight.mul_(torch.tensor([1.0, 0.9, 0.8, 0.5]))
        found = monitor.step()
        if step % 2:
            assert found is None
            continue
        assert logged[-1] == (step, found)
        values = logged[-1][1]
        expected = {name: information_abundance(getattr(model, name).weight) for name in ("user", "item")}
        for name, ia in expected.items():
            assert values[f"spectrum/ia/{name}"] == pytest.approx(ia)
            shape = getattr(model, name).weight.shape
            assert values[f"spectrum/ia_normalised/{name}"] == pytest.approx(ia / random_abundance(*shape).mean)
        assert values["spectrum/ia_mean"] == pytest.approx(np.mean(list(expected.values())))
    assert [step for step, _ in logged] == [2, 4]
    assert monitor.history["step"].tolist() == [2, 2, 4, 4]
    user = monitor.history.query("field == 'user'")["ia"]
    assert user.iloc[1] < user.iloc[0]


def test_a_weight_that_is_replaced_is_seen() -> None:
    model = Model()
    monitor = SpectrumMonitor(model)
    model.item.weight = nn.Parameter(torch.ones(30, 4))
    assert monitor.measure(1)["spectrum/ia/item"] == pytest.approx(1)


KINDS = [np.asarray, torch.as_tensor, nn.Parameter, lambda E: nn.Embedding(9, 3, _weight=E)]


@pytest.mark.parametrize("kind", KINDS)
def test_tables_by_name(kind: Any) -> None:
    E = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    found = SpectrumMonitor({"a": kind(E)}, prefix="p").measure(7)
    assert found["p/ia/a"] == pytest.approx(information_abundance(E))


def test_it_changes_nothing() -> None:
    """Neither weights, nor gradients, nor random numbers drawn after it."""
    model = Model()
    model(torch.ones(3, 3, dtype=torch.int64)).sum().backward()
    before = [(p.detach().clone(), None if p.grad is None else p.grad.clone()) for p in model.parameters()]
    random = torch.get_rng_state()
    SpectrumMonitor(model).measure(1)
    assert torch.equal(torch.get_rng_state(), random)
    for (weight, gradient), parameter in zip(before, model.parameters(), strict=True):
        assert torch.equal(weight, parameter)
        assert (gradient is None) == (parameter.grad is None)
        assert gradient is None or torch.equal(gradient, parameter.grad)  # type: ignore[arg-type]


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="Linear"):
        SpectrumMonitor(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="every_n_steps must be at least 1"):
        SpectrumMonitor(Model(), every_n_steps=0)
    with pytest.raises(CollapseError, match="unknown log 'nowhere'"):
        SpectrumMonitor(Model(), log="nowhere")
    with pytest.raises(CollapseError, match="needs a file"):
        SpectrumMonitor(Model(), log="prometheus")


def hostile_tables() -> dict[str, Any]:
    """Return a hundred tables that cannot be measured, or hardly."""
    random = np.random.default_rng(0)
    good = random.standard_normal((60, 4))
    found: dict[str, Any] = {}
    for place in range(20):
        found[f"nan{place}"] = np.where(np.arange(240).reshape(60, 4) == 3 * place, np.nan, good)
        found[f"inf{place}"] = np.where(np.arange(240).reshape(60, 4) == 5 * place, np.inf, good)
    for columns in range(1, 11):
        found[f"meta{columns}"] = torch.empty(60, columns, device="meta")
        found[f"empty{columns}"] = torch.empty(0, columns)
        found[f"whole{columns}"] = np.ones((60, columns), int)
        found[f"complex{columns}"] = np.ones((60, columns), complex)
        found[f"zero{columns}"] = np.zeros((60, columns))
        found[f"huge{columns}"] = np.full((60, columns), 1e308)
    assert len(found) == 100
    return found


@pytest.mark.filterwarnings("ignore")
def test_a_hundred_hostile_tables_end_no_training(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Each is reported once, and the good table is measured each time."""
    tables = {**hostile_tables(), "good": nn.Embedding(60, 4)}
    monitor = SpectrumMonitor(tables, every_n_steps=1)
    for _ in range(5):
        monitor.step()
    assert (monitor.history["field"] == "good").sum() == 5
    lost = set(tables) - set(monitor.history["field"])
    assert lost == set(monitor.problems)
    assert len(lost) >= 80
    assert sum("in a look at the spectra" in record.message for record in caplog.records) == len(lost)


@pytest.mark.filterwarnings("ignore")
def test_tables_that_change_while_training(caplog: pytest.LogCaptureFixture) -> None:
    tables: dict[str, Any] = {
        "resized": nn.Embedding(60, 4),
        "deleted": nn.Embedding(60, 4),
        "frozen": torch.eye(4),
    }
    tables["frozen"].requires_grad_(False)
    monitor = SpectrumMonitor(tables, every_n_steps=1)
    monitor.step()
    tables["resized"].weight = nn.Parameter(torch.randn(90, 4))
    del tables["deleted"].weight
    monitor.step()
    tables["resized"].weight = nn.Parameter(
        torch.quantize_per_tensor(torch.randn(9, 4), 0.1, 0, torch.qint8), False
    )
    monitor.step()
    assert monitor.history["field"].value_counts().to_dict() == {"frozen": 3, "resized": 2, "deleted": 1}
    assert set(monitor.problems) == {"deleted", "resized"}
    assert len(caplog.records) == 2


def test_what_the_log_and_the_function_raise_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    def full(values: dict[str, float], step: int) -> None:
        raise OSError(28, "No space left on device")

    monitor = SpectrumMonitor({"a": np.eye(4)}, every_n_steps=1, log=full)
    for _ in range(3):
        monitor.step()
    assert len(monitor.history) == 3
    assert "No space left" in monitor.problems["log"]
    assert len(caplog.records) == 1

    def fails() -> dict[str, Any]:
        raise RuntimeError("no tables yet")

    late = SpectrumMonitor(fails)
    assert late.measure(1) == {}
    assert late.problems == {"tables": "no tables yet"}

    def interrupts(values: dict[str, float], step: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SpectrumMonitor({"a": np.eye(4)}, log=interrupts).measure(1)


def test_an_alert_is_raised_once_until_the_table_recovers(caplog: pytest.LogCaptureFixture) -> None:
    random = np.random.default_rng(0)
    good, bad = random.standard_normal((60, 6)), np.outer(random.standard_normal(60), np.ones(6))
    tables = {"a": good.copy(), "b": good.copy()}
    raised: list[tuple[str, int]] = []
    monitor = SpectrumMonitor(
        tables, every_n_steps=1, alert_below=0.3, on_alert=lambda name, _, step: raised.append((name, step))
    )
    for values in (good, bad, bad, good, bad):
        tables["a"][:] = values
        monitor.step()
    assert raised == [("a", 2), ("a", 5)]
    SpectrumMonitor({"a": bad}, alert_below=0.3).measure(7)
    said = "at step 7 the information abundance of table 'a' is 21% of a random table's, below 30% (collapsed"
    assert said in caplog.text


def test_a_list_and_a_function_of_tables() -> None:
    E = torch.randn(60, 4)
    for tables in ([E, E], (nn.Embedding(60, 4), E)):
        monitor = SpectrumMonitor(tables)
        monitor.measure(1)
        assert monitor.history["field"].tolist() == ["table_0", "table_1"]
    monitor = SpectrumMonitor(lambda: {"now": E})
    assert monitor.is_collective
    monitor.measure(1)
    E[:] = 1
    monitor.measure(2)
    assert monitor.history["ia"].tolist()[1] == pytest.approx(1)


class TestServices:
    """What is sent to each service, with stand-ins for the packages that are not installed here."""

    def test_tensorboard(self, tmp_path: Path) -> None:
        pytest.importorskip("tensorboard")
        monitor = SpectrumMonitor({"a": np.eye(4)}, log=f"tensorboard:{tmp_path}")
        monitor.measure(3)
        (file,) = tmp_path.glob("events*")
        assert b"spectrum/ia/a" in file.read_bytes()

    @pytest.mark.parametrize("name", ["wandb", "mlflow"])
    def test_wandb_and_mlflow(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        sent: list[Any] = []
        pretended = SimpleNamespace(
            log=lambda values, step: sent.append((values, step)),
            log_metrics=lambda values, step: sent.append((values, step)),
            __spec__=ModuleSpec(name, None),
        )
        monkeypatch.setitem(sys.modules, name, pretended)
        SpectrumMonitor({"a[0]": np.eye(4)}, log=name).measure(3)
        ((values, step),) = sent
        assert step == 3
        assert values["spectrum/ia/a[0]" if name == "wandb" else "spectrum/ia/a_0_"] == pytest.approx(4)

    def test_a_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("collapse.extras.find_spec", lambda _: None)
        with pytest.raises(CollapseError, match=r"log='wandb' needs wandb.*embedding-collapse\[wandb\]"):
            SpectrumMonitor({"a": np.eye(4)}, log="wandb")

    def test_prometheus(self, tmp_path: Path) -> None:
        file = tmp_path / "collapse.prom"
        monitor = SpectrumMonitor({'a "b"\\': np.eye(4)}, log=f"prometheus:{file}")
        for step in (1, 2):
            monitor.measure(step)
        text = file.read_text()
        assert '\ncollapse_ia{table="a \\"b\\"\\\\"} 4' in text
        assert "# TYPE collapse_ia gauge" in text
        assert "\ncollapse_step 2\n" in text
        assert re.search(r"\ncollapse_ia_mean 4", text)


IDS = torch.randint(1, 30, (64, 3), generator=torch.Generator().manual_seed(0))


@pytest.mark.libraries
def test_in_lightning(tmp_path: Path) -> None:
    """It logs with the trainer's loggers, by optimiser step: here a step has two batches."""
    pytest.importorskip("lightning")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lightning.pytorch as pl
        from lightning.pytorch.loggers import CSVLogger

        from collapse.callbacks.lightning import SpectrumCallback

        class Module(pl.LightningModule):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.model = Model()

            def training_step(self, batch: Tensor) -> Any:
                return self.model(batch).square().mean()

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return torch.optim.SGD(self.parameters(), lr=0.1)

        callback, logger = SpectrumCallback(every_n_steps=2), CSVLogger(tmp_path, name="", version="")
        trainer = pl.Trainer(
            max_epochs=1, accumulate_grad_batches=2, accelerator="cpu", logger=logger, callbacks=[callback],
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        )  # fmt: skip
        trainer.fit(Module(), torch.utils.data.DataLoader(IDS, batch_size=8))  # type: ignore[arg-type]
    assert callback.monitor is not None
    assert sorted(set(callback.monitor.history["field"])) == ["item", "user"]
    with (tmp_path / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("spectrum/ia_mean")]
    assert [int(row["step"]) for row in rows] == [2, 4]
    history = callback.monitor.history.set_index(["step", "field"])["ia"]
    assert float(rows[1]["spectrum/ia/user"]) == pytest.approx(history[4, "user"])


@pytest.mark.libraries
def test_in_hugging_faces_trainer(tmp_path: Path) -> None:
    """It logs with the trainer's own `log`."""
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import Trainer, TrainingArguments

        from collapse.callbacks.transformers import SpectrumCallback

        class WithLoss(Model):
            def forward(self, ids: Tensor) -> Any:
                return {"loss": super().forward(ids).square().mean()}

        arguments = TrainingArguments(
            output_dir=str(tmp_path), max_steps=4, per_device_train_batch_size=8, report_to=[], use_cpu=True,
            save_strategy="no", logging_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        data = [{"ids": row} for row in IDS]
        trainer = Trainer(WithLoss(), arguments, train_dataset=data)
        callback = SpectrumCallback(trainer, every_n_steps=2)
        trainer.add_callback(callback)
        trainer.train()
    measurements = [entry for entry in trainer.state.log_history if "spectrum/ia_mean" in entry]
    assert [entry["step"] for entry in measurements] == [2, 4]
    assert measurements[0]["spectrum/ia/user"] == pytest.approx(callback.monitor.history["ia"].iloc[0])


def test_a_table_has_the_name_that_analyze_gives_it(tmp_path: Path, collapse: Collapse) -> None:
    """The same name from the model, from its state dict, and from its file."""
    layers = nn.ModuleDict({name: nn.Embedding(30, 4) for name in ("user", "item")})
    model = nn.ModuleDict({"embeddings": layers, "top": nn.Linear(8, 1)})
    torch.save(model.state_dict(), tmp_path / "a.pt")
    by_file = {row["field"] for row in json.loads(collapse("analyze", tmp_path / "a.pt", "--json")[1])["fields"]}
    for source in (model, model.state_dict(), nn.DataParallel(model)):
        monitor = SpectrumMonitor(source, every_n_steps=1)
        monitor.step()
        assert set(monitor.history["field"]) == by_file == {"user", "item"}


@pytest.mark.libraries
def test_in_keras() -> None:
    if find_spec("keras") is None:
        pytest.skip("keras is not installed")
    script = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras, numpy as np
from collapse import information_abundance
from collapse.callbacks.keras import SpectrumCallback

ids = keras.Input((2,), dtype="int32")
user = keras.layers.Embedding(30, 4, name="user")(ids[:, 0])
inner = keras.Sequential([keras.layers.Embedding(20, 4, name="item")])
model = keras.Model(ids, keras.layers.Dense(1)(keras.layers.Concatenate()([user, inner(ids[:, 1])])))
model.compile("adam", "mse")
callback = SpectrumCallback(every_n_steps=3)
x = np.random.default_rng(0).integers(0, 20, (96, 2))
history = model.fit(x, np.ones(96), batch_size=16, epochs=2, verbose=0, callbacks=[callback]).history
assert callback.monitor.problems == {}
assert sorted(set(callback.monitor.history["field"])) == ["item", "user"]
assert sorted(set(callback.monitor.history["step"])) == [3, 6, 9, 12]
last = callback.monitor.history.query("step == 12").set_index("field")["ia"]
table = keras.ops.convert_to_numpy(model.get_layer("user").embeddings)
assert abs(last["user"] - information_abundance(table)) < 1e-9
assert len(history["spectrum_ia_mean"]) == 2
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
