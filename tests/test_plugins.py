"""Models, measures, figures and readers of other packages: the template installs, and its names work."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from collapse import Entry, Format, State, diagnose, plugins
from collapse.analysis.own_measures import own_measures
from collapse.errors import CollapseError
from collapse.paper.making import display_of
from tests.conftest import Collapse

PLUGIN = Path(__file__).parents[1] / "examples" / "plugin"


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Return a function that registers objects by name and ``module:object``, measures by default."""

    def points(kind: str = "collapse.measures", **values: str) -> None:
        found = [
            EntryPoint(name=name.replace("__", "-"), value=value, group=kind) for name, value in values.items()
        ]
        monkeypatch.setattr(plugins, "entry_points", lambda group: found if group == kind else [])
        plugins.points.cache_clear()
        own_measures.cache_clear()

    yield points
    monkeypatch.undo()
    plugins.points.cache_clear()
    own_measures.cache_clear()


def test_a_measure_is_a_column(register: Callable[..., None], tmp_path: Path, collapse: Collapse) -> None:
    register(condition=f"{__name__}:condition")
    E = np.diag([4.0, 2.0, 1.0])
    np.savez(tmp_path / "a.npz", user_emb=np.vstack([E] * 20))
    frame = diagnose(tmp_path / "a.npz")
    assert frame["condition"].tolist() == pytest.approx([4 + 60 * 3])
    code, out, err = collapse("analyze", tmp_path / "a.npz", "--measure", "condition", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert report["fields"][0]["condition"] == pytest.approx(184)
    (tmp_path / "b.json").write_text(out)
    assert collapse("analyze", tmp_path / "a.npz", "--fail-if", "condition > 100")[0] == 1
    words = ("analyze", tmp_path / "a.npz", "--baseline", tmp_path / "b.json", "--fail-if")
    assert collapse(*words, "condition_change > 0")[0] == 0
    code, _, err = collapse("report", tmp_path / "a.npz", "-o", tmp_path / "r.html")
    assert code == 0, err
    assert ">condition</button>" in (tmp_path / "r.html").read_text()


def condition(sigma: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", D: int, K: int) -> float:
    """Return a number of all arguments."""
    return float(sigma[0] / sigma[-1]) + D * K


def fails(sigma: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", D: int, K: int) -> float:
    """Fail."""
    raise ValueError(f"no\nmeasure of {len(sigma)} values, {D} x {K}")


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ({"ia": "statistics:fmean"}, "must have a name of its own"),
        ({"Big": "statistics:fmean"}, "must have a name of its own"),
        ({"odd": "no_such_module:f"}, "cannot be imported: ModuleNotFoundError"),
        ({"odd": "math:pi"}, "is not a function"),
        ({"odd__name": "statistics:fmean"}, "write _ for -"),
        ({"odd": f"{__name__}:fails"}, "the measure 'odd' fails for field 'user': ValueError: no"),
        ({"odd": "builtins:list"}, "the measure 'odd' fails for field 'user': TypeError"),
    ],
)
def test_bad_measures(points: dict[str, str], said: str, register: Callable[..., None]) -> None:
    register(**points)
    with pytest.raises(CollapseError) as caught:
        diagnose({"user": np.ones((9, 2))})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


NOT_AN_ENTRY = Format(name="no reader", matches=lambda sample: True)
NO_CLASS = Entry(name="", shows="nothing", draw=dict)
TABLE = Entry(name="", shows="a table", table=print)


def broken(sample: object) -> bool:
    """Fail."""
    raise KeyError("no key")


BROKEN = Format(name="a broken format", matches=broken, read=lambda path, verify: State(tensors={}))


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ({"mine": "math:pi"}, "the figure 'mine' is not a collapse.Entry"),
        ({"cures": f"{__name__}:TABLE"}, "must have a name of its own"),
        ({"all": f"{__name__}:TABLE"}, "must have a name of its own"),
        ({"mine": f"{__name__}:NO_CLASS"}, "is not a subclass of Display"),
        ({"mine": "no_such_module:f"}, "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_bad_figures(points: dict[str, str], said: str, register: Callable[..., None]) -> None:
    register("collapse.figures", **points)
    with pytest.raises(CollapseError) as caught:
        display_of("mine")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (
            {"mine": f"{__name__}:NOT_AN_ENTRY"},
            "the reader 'mine' is not a collapse.Format",
        ),
        ({"mine": f"{__name__}:BROKEN"}, "the reader of a broken format fails on"),
    ],
)
def test_bad_readers(
    points: dict[str, str], said: str, register: Callable[..., None], tmp_path: Path, collapse: Collapse
) -> None:
    register("collapse.readers", **points)
    (tmp_path / "a.bin").write_bytes(b"no format that is known" * 9)
    code, _, err = collapse("analyze", tmp_path / "a.bin")
    assert (code, said in err) == (2, True), err
    # A file of this package's formats is read without asking them.
    np.savez(tmp_path / "a.npz", user_emb=np.eye(9, 2))
    assert collapse("analyze", tmp_path / "a.npz")[0] == 0


@pytest.mark.slow
def test_the_template_installs_and_works(small_data: Path, tmp_path: Path) -> None:
    """By pip, into a folder of its own; the model is trained, and the measure is everywhere."""
    words = [
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        tmp_path / "site",
        PLUGIN,
    ]
    subprocess.run([sys.executable, "-m", "pip", *map(str, words)], check=True, capture_output=True)
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{root}"}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "collapse", *map(str, arguments)]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "power mean" in run("models", "pooled").stdout or "|e_i|^power" in run("models", "pooled").stdout
    trained = run(
        "train", "--model", "pooled-4", "--data", small_data, "--epochs", 1, "--out", "r", "-c", "power=3"
    )
    assert trained.returncode == 0, trained.stderr
    assert "spread" in pd.read_csv(tmp_path / "r" / "abundance.csv")
    shown = run("analyze", "r/best.pt", "--measure", "spread", "--fail-if", "spread >= 1")
    assert shown.returncode == 1, shown.stderr
    assert "spread" in shown.stdout
    drawn = run("analyze", "r/best.pt", "--figure", "spread", "--out", "pictures")
    assert drawn.returncode == 0, drawn.stderr
    assert set(pd.read_csv(tmp_path / "pictures" / "figure-spread.csv")) >= {"field", "cardinality", "spread"}
    assert "a text file of my_plugin" in run("formats").stdout
    (tmp_path / "mine.txt").write_text("# my embeddings of shop\n1 0\n0 1\n1 1\n")
    read = run("analyze", "mine.txt", "--json")
    assert [each["field"] for each in json.loads(read.stdout)["fields"]] == ["shop"], read.stderr
    (tmp_path / "mine.txt").write_text("# my embeddings of shop\n1 0\n0 x\n")
    assert run("analyze", "mine.txt").returncode == 2
    (tmp_path / "grid.toml").write_text(
        f"data = '{small_data}'\nepochs = 1\n[model]\nmodel = ['pooled-4', 'dcnv2-4']\n"
        "[[figures]]\nname = 'mine'\nx = 'model'\ny = 'spread'\n"
    )
    assert run("sweep", "--config", "grid.toml", "--out", "study").returncode == 0
    made = run("figures", "study", "--figure", "all")
    assert made.returncode == 0, made.stderr
    for name in ("spread", "mine"):
        assert (tmp_path / "study" / "figures" / f"figure-{name}.png").exists()
    swept = run("sweep", "spread", "--data", small_data, "--epochs", 1, "--batch-size", 64, "--out", "another")
    assert "1 runs, 1 of them to train" in swept.stdout, swept.stderr
