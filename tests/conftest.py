"""Shared fixtures, and the Hypothesis profiles `fast` (the default) and `thorough` (--hypothesis-profile)."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, settings

from collapse.cli import main
from collapse.paper.catalogue import CATALOGUE
from collapse.training.models.registry import model_config
from collapse.training.runs.config import RunConfig
from collapse.training.runs.run import Run
from tests.browser import browser
from tests.small_data import write_small_data

if TYPE_CHECKING:
    from selenium import webdriver

settings.register_profile("fast", max_examples=50, deadline=None, derandomize=True)
# Explores: examples are drawn anew every time, and kept in .hypothesis where they fail.
settings.register_profile(
    "thorough", max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fast")

# The models of the tests are so small that threads wait for one another more than they work.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def cache_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep data that tests prepare out of the user's cache."""
    os.environ["COLLAPSE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a prepared data set of 3,000 rows and three fields."""
    return write_small_data(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="session")
def trained(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the best checkpoints of models trained on the small data set, by name."""
    folder = tmp_path_factory.mktemp("runs")
    configs = [
        model_config(embedding_size=4),
        model_config(embedding_size=8),
        model_config(embedding_size=4, sets=2),
        model_config("ffm-2"),
    ]
    for config in configs:
        Run(RunConfig(data=str(small_data), model=config, epochs=2), folder / config.name, "cpu").train()
    return {config.name: folder / config.name / "best.pt" for config in configs}


@pytest.fixture(scope="class")
def driver(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[webdriver.Chrome]":
    """Run a browser for the tests of a class."""
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def only() -> Iterator[Callable[..., None]]:
    """Return a function that keeps only some recipes; all return in their order after the test."""
    every = dict(CATALOGUE)

    def leave(*names: str) -> None:
        for name in set(CATALOGUE) - set(names):
            del CATALOGUE[name]

    yield leave
    CATALOGUE.clear()
    CATALOGUE.update(every)


Collapse = Callable[..., tuple[int, str, str]]


@pytest.fixture
def collapse(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Collapse:
    """Return a function that runs a command line and returns its exit code, output and error output."""

    def run(*arguments: object) -> tuple[int, str, str]:
        words: Sequence[str] = ["collapse", *(str(argument) for argument in arguments)]
        monkeypatch.setattr("sys.argv", words)
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run
