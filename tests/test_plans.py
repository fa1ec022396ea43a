"""Plans of studies: shapes of data that is not there, costs, settings of every run, and plan against outcome."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.paper.item import item_of, record_profile
from collapse.paper.profiles import profile_of
from collapse.study.cost import MACHINES, disk_bytes, memory_bytes, seconds, step
from collapse.study.study import Study
from collapse.training.data.load import load_data
from collapse.training.data.shapes import shape_of
from collapse.training.models.registry import model_config, model_names
from collapse.training.runs.config import RunConfig, as_options, with_settings
from tests.conftest import Collapse

CPU, D = MACHINES["cpu"], (50, 30, 9)


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a cache that does not exist."""
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class TestShapes:
    @pytest.mark.parametrize(
        "name", ["flights", "flights:0.1", "synthetic-criteo:0.001", "data/criteo", "x/my-Avazu"]
    )
    def test_of_what_is_not_there(self, name: str, no_cache: Path) -> None:
        shape = shape_of(name)
        assert not shape.is_there
        assert not no_cache.exists()
        assert shape.rows > 20
        assert min(shape.cardinalities) >= 2

    def test_known_shapes_are_right(self) -> None:
        """Those of the settings are exact, and those of all flights are kept in the code."""
        for name in ("flights", "synthetic-avazu:0.0003"):
            data, there = load_data(name), shape_of(name)
            assert there.is_there
            assert (there.rows, there.cardinalities) == (data.rows, tuple(data.schema.cardinalities))

    def test_without_a_cache_they_are_the_same(self, no_cache: Path) -> None:
        assert shape_of("flights").cardinalities[9:11] == (3489, 3870)
        assert sum(shape_of("data/criteo").cardinalities) == pytest.approx(1_080_000, rel=0.01)
        assert shape_of("data/criteo").rows == 45_840_617

    @pytest.mark.parametrize("name", ["nowhere", "flights:2", "flights:x", "synthetic-movies:1"])
    def test_unknown_ones(self, name: str, no_cache: Path) -> None:
        with pytest.raises(CollapseError):
            shape_of(name)


class TestCosts:
    @pytest.mark.parametrize("name", model_names())
    def test_every_model_is_counted(self, name: str) -> None:
        flops, results, calls = step(model_config(f"{name}-4"), D, 32)
        assert flops > 0 or name == "fm"
        assert results > 32 * 3 * 4
        assert calls > 3

    @given(epochs=st.integers(1, 9), rows=st.integers(1000, 10**6), threads=st.integers(1, 8))
    def test_more_work_takes_longer(self, epochs: int, rows: int, threads: int) -> None:
        config = RunConfig(model=model_config("dcnv2-4"))

        def of(rows: int = rows, epochs: int = epochs, threads: int = threads, sets: int = 1) -> float:
            model = replace(config.model, sets=sets)
            return seconds(replace(config, model=model), D, rows, CPU, threads=threads, epochs=epochs)

        assert of(epochs=epochs + 1) > of()
        assert of(rows=2 * rows) > of()
        assert of(threads=threads + 1) < of()
        assert of(sets=2) > of()
        assert seconds(config, D, 10**9, MACHINES["h100"]) < seconds(config, D, 10**9, MACHINES["a100"])

    def test_penalties_are_counted(self) -> None:
        plain, regularised = (
            step(model_config(name), D, 32)[0] for name in ("dcnv2-4", "dcnv2-4,regularised=lambda")
        )
        assert regularised > plain

    def test_disk_is_what_a_run_leaves(self, trained: dict[str, Path], small_data: Path) -> None:
        """Apart from small files, and the state for resuming is three times the weights."""
        data = load_data(small_data)
        for path in trained.values():
            run = next(iter(Study(path.parent)))
            expected, state = disk_bytes(run.config, data.schema.cardinalities, data.rows)
            left = sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file())
            assert abs(expected - left) < 300_000
            assert state == 3 * 4 * run.manifest["parameters"]
            assert memory_bytes(run.config, data.schema.cardinalities, data.rows) > 4 * state / 3


class TestSettings:
    def test_of_every_run(self) -> None:
        words = ("learning_rate=0.01", "precision=bf16", "compiled=true", "split=3", "patience=9")
        config = with_settings(RunConfig(), words)
        assert (config.optimiser.learning_rate, config.precision, config.seeds.split) == (0.01, "bf16", 3)
        assert (config.compiled, config.patience) == (True, 9)
        assert as_options(words[:3]) == ["--learning-rate", "0.01", "--precision", "bf16", "--compiled"]
        assert as_options(["split=3"]) == ["--split-seed", "3"]
        for bad in ("learning_rate=-1", "precision=int8", "nothing=1"):
            with pytest.raises(CollapseError):
                with_settings(RunConfig(), [bad])

    def test_of_a_profile(self, tmp_path: Path) -> None:
        """All runs have them, and the command that trains missing runs gives them again."""
        profile = profile_of("smoke", epochs=1, batch_size=32, settings=("weight_decay=0.1", "patience=1"))
        record_profile(tmp_path, profile)
        item = item_of(tmp_path, "8a")
        assert {(run.config.epochs, run.config.optimiser.batch_size) for run in item.runs} == {(1, 32)}
        assert {run.config.optimiser.weight_decay for run in item.runs} == {0.1}
        assert "--epochs 1 --batch-size 32 --weight-decay 0.1 --patience 1" in item.command

    def test_a_grid_names_the_table_of_a_key(self, tmp_path: Path, collapse: Collapse) -> None:
        for text, said in (
            ("learning_rate = 0.1", "'learning_rate' belongs to the table [optimiser]"),
            ("initialisation = [1, 2]", "'initialisation' belongs to the table [seeds]"),
            ("embedding_size = 4", "'embedding_size' belongs to the table [model]"),
        ):
            (tmp_path / "g.toml").write_text(text)
            code, _, err = collapse("sweep", "--config", tmp_path / "g.toml", "--dry-run")
            assert (code, said in err) == (2, True), err


class TestCommands:
    @pytest.mark.parametrize("command", [("sweep", "8a"), pytest.param(("reproduce",), marks=pytest.mark.slow)])
    def test_a_dry_run_opens_and_writes_nothing(
        self, command: tuple[str, ...], no_cache: Path, tmp_path: Path, collapse: Collapse
    ) -> None:
        out = tmp_path / "study"
        words = (*command, "--data", "data/criteo", "--data", "flights", "--out", out, "--dry-run", "--on", "h100")
        code, text, err = collapse(*words)
        assert code == 0, err
        assert "of disk" in text
        assert "of memory per run" in text
        assert "on h100: about" in text
        assert "computed from the published rates, not measured" in text
        assert not out.exists()
        assert not no_cache.exists()

    @pytest.mark.slow
    def test_plan_and_outcome(self, small_data: Path, tmp_path: Path, collapse: Collapse) -> None:
        words = (
            "sweep",
            "10b",
            "--profile",
            "smoke",
            "--data",
            small_data,
            "--base-size",
            2,
            "--out",
            tmp_path / "s",
        )
        code, text, err = collapse(*words, "--learning-rate", 0.01, "--epochs", 1, "--jobs", 1)
        assert code == 0, err
        assert "planned and measured: " in text
        (run,) = Study(tmp_path / "s")
        assert (run.config.optimiser.learning_rate, run.config.epochs) == (0.01, 1)
        assert json.loads((tmp_path / "s" / "study.json").read_text())["settings"] == ["learning_rate=0.01"]
        code, _, err = collapse("figures", tmp_path / "s", "--figure", "10b")
        assert code == 0, err
        code, _, err = collapse(*words)
        assert (code, "other settings" in err) == (2, True), err
