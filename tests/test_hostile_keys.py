"""If one key of a file is replaced, the command does its work or names the problem in a sentence."""

import copy
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collapse.errors import CollapseError
from collapse.paper.item import record_profile
from collapse.paper.profiles import Profile
from collapse.settings import Settings, settings_of
from collapse.training.models.config import MLPConfig
from collapse.training.runs.config import OptimiserConfig
from tests.conftest import Collapse

JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 3, 10**30, 0.5, float("nan"), float("inf"), "", "x", "../../etc/passwd", "\u2028", [],
    [None], {}, {"a": 1}, [[[]]], "x" * 10_000,
)  # fmt: skip
SAMPLED = 40
"""Changes per file in the fast tests."""


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a JSON file."""
    pairs = (
        content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    )
    for key, value in pairs:
        yield (*path, key)
        yield from places(value, (*path, key))


def changes(content: Any, *, every: bool) -> Iterator[Any]:
    """Yield the content with one value replaced or removed."""
    # To compile a model takes minutes, and is no error.
    found = [(place, junk) for place in places(content) for junk in (*JUNK, places) if place[-1] != "compiled"]
    chosen = found if every else random.Random(0).sample(found, min(SAMPLED, len(found)))
    for (*way, last), junk in chosen:
        changed = copy.deepcopy(content)
        parent = changed
        for key in way:
            parent = parent[key]
        if junk is places:
            del parent[last]
        else:
            parent[last] = junk
        yield changed


@pytest.fixture(scope="module")
def made(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a stopped run, a finished run, a data set and a study."""
    from dataclasses import replace

    from collapse.training.models.registry import model_config
    from collapse.training.runs.config import RunConfig
    from collapse.training.runs.run import Run
    from tests.test_hostile_runs import stopped

    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(small_data, folder / "data")
    config = RunConfig(
        data=str(small_data), model=model_config("fm-2"), optimiser=OptimiserConfig(batch_size=500), epochs=2
    )
    stopped(config, folder / "stopped")
    Run(replace(config, epochs=1), folder / "finished", "cpu").train()
    record_profile(folder / "study", Profile(name="smoke", content="", data=(str(small_data),), base_size=1))
    return folder


FILES = {
    "stopped/config.json": [["train", "--resume", "--out", "stopped"]],
    "stopped/manifest.json": [["train", "--resume", "--out", "stopped"]],
    "finished/manifest.json": [["train", "--resume", "--out", "finished"]],
    "data/schema.json": [["data", "data"]],
    "data/manifest.json": [["data", "data"], ["train", "--data", "data", "--epochs", "1", "--out", "new"]],
    "study/study.json": [["figures", "study", "--list"], ["findings", "study"]],
}


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["some", "every"])
@pytest.mark.parametrize("file", FILES)
def test_a_replaced_key(file: str, every: bool, made: Path, tmp_path: Path, collapse: Collapse) -> None:
    content = json.loads((made / file).read_text())
    folder = file.partition("/")[0]
    for number, changed in enumerate(changes(content, every=every)):
        if number % (20 if every else 1):
            continue
        shutil.rmtree(tmp_path / folder, ignore_errors=True)
        shutil.rmtree(tmp_path / "new", ignore_errors=True)
        shutil.copytree(made / folder, tmp_path / folder)
        (tmp_path / file).write_text(json.dumps(changed))
        for words in FILES[file]:
            code, _, err = collapse(*(tmp_path / word if word in (folder, "new") else word for word in words))
            assert code in (0, 1, 2), (changed, err)
            assert "Traceback" not in err
            if code == 2:
                assert len(err.strip("\n").split("\n")) == 1, err
                assert len(err) < 5000


@pytest.mark.parametrize("settings", [MLPConfig, OptimiserConfig])
def test_counts_that_no_program_can_hold(settings: type[Settings]) -> None:
    """10^30 hidden units gave a message of torch over twenty lines."""
    counts = [item.name for item in settings_of(settings) if item.kind is int]
    assert counts
    for name in counts:
        assert getattr(settings(**{name: 2**31 - 1}), name) == 2**31 - 1
        with pytest.raises(CollapseError, match=f"{name} must be at most"):
            settings(**{name: 2**31})
