"""A user's figures: their descriptions, their tables, their pictures; and a user's model in a grid."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from collapse.errors import CollapseError
from collapse.figures.own import OwnDisplay
from collapse.figures.own_figure import OwnFigure
from collapse.paper.own_figures import read_figures
from collapse.paper.own_items import own_items
from collapse.study.grid import read_grid
from collapse.study.study import Study
from tests.conftest import Collapse

GRID = """
data = "{data}"
epochs = 2
[optimiser]
batch_size = 64
learning_rate = [0.001, 0.01]
[model]
model = ["dcnv2-2", "dcnv2-4", "fm-2"]
[seeds]
initialisation = [0, 1]

[[figures]]
name = "auc-by-rate"
x = "learning_rate"
y = "test_auc"
hue = "name"
log = "x"
shows = "How AUC depends on the learning rate"

[[figures]]
name = "ia-of-fields"
x = "field"
y = "ia"
hue = "embedding_size"
panel = "learning_rate"
where = {{ model = "dcnv2" }}

[[figures]]
name = "loss"
x = "epoch"
y = "train_loss"
hue = "model"
where = {{ embedding_size = 2, learning_rate = [0.001] }}

[[figures]]
name = "mixed"
x = "model"
y = "ia_adjusted"
error = "deviation"

[[figures]]
name = "cross-layers"
x = "columns"
y = "parameters"
hue = "cross_layers"
"""


@pytest.fixture(scope="module")
def study(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study of a grid with figures."""
    folder = tmp_path_factory.mktemp("grid")
    (folder / "grid.toml").write_text(GRID.format(data=small_data))
    words = ["sweep", "--config", folder / "grid.toml", "--out", folder / "study", "--jobs", "2"]
    subprocess.run([sys.executable, "-m", "collapse", *map(str, words)], check=True, capture_output=True)
    return folder / "study"


@pytest.mark.slow
def test_figures_of_a_grid(study: Path, tmp_path: Path, collapse: Collapse) -> None:
    code, listed, err = collapse("figures", study, "--list")
    assert code == 0, err
    assert "auc-by-rate   12 of   12 runs  How AUC depends on the learning rate" in listed
    names = ("auc-by-rate", "ia-of-fields", "loss", "mixed", "cross-layers")
    words = [word for name in names for word in ("--figure", name)]
    code, _, err = collapse("figures", study, *words, "-o", tmp_path)
    assert code == 0, err
    tables = {name: pd.read_csv(tmp_path / f"figure-{name}.csv") for name in names}
    runs = Study(study).results
    assert sorted(tables["auc-by-rate"]["test_auc"]) == pytest.approx(sorted(runs["test_auc"]))
    assert len(tables["ia-of-fields"]) == 2 * 2 * 2 * 3
    assert tables["loss"]["epoch"].tolist() == [1, 2] * 4
    assert tables["mixed"]["varied"].unique().tolist() == ["embedding_size, learning_rate"]
    assert tables["cross-layers"]["cross_layers"].isna().sum() == 4
    means = pd.read_csv(tmp_path / "figure-auc-by-rate-means.csv")
    assert means["initialisations"].tolist() == [2] * 6
    assert all(
        (tmp_path / f"figure-{name}.{suffix}").stat().st_size > 1000 for name in names for suffix in ("png", "pdf")
    )


@pytest.mark.slow
def test_the_page_has_them_first(study: Path, collapse: Collapse) -> None:
    code, _, err = collapse("figures", study, "--figure", "all")
    assert code == 0, err
    page = (study / "figures" / "index.html").read_text()
    assert page.index('id="auc-by-rate"') < page.index('id="12"')
    assert "Figure auc-by-rate: How AUC depends on the learning rate" in page


@pytest.mark.slow
def test_another_file_describes_other_figures(study: Path, tmp_path: Path, collapse: Collapse) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"figures": [{"name": "one", "x": "sets", "y": "best_epoch"}]}))
    words = ("--config", tmp_path / "mine.json", "-o", tmp_path)
    code, _, err = collapse("figures", study, *words, "--figure", "one")
    assert code == 0, err
    assert len(pd.read_csv(tmp_path / "figure-one.csv")) == 12
    figure = OwnFigure(name="none", x="sets", y="test_auc", where={"model": "nfwfm"})
    item = next(iter(own_items(study).values()))
    with pytest.raises(CollapseError, match="no finished run fits the figure none: model = nfwfm"):
        type(item)(figure=figure, study=item.study).make()
    with pytest.raises(CollapseError, match="no run of the figure none has a number for ia_trend"):
        type(item)(figure=OwnFigure(name="none", x="epoch", y="ia_trend"), study=item.study).make()


@given(data=st.data())
def test_means_and_intervals(data: st.DataObject) -> None:
    """They are Student's over the initialisations, whatever else varies within one."""
    number = st.floats(-5, 5).map(lambda value: round(value, 3))
    rows = data.draw(
        st.lists(
            st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.integers(0, 4), number), min_size=1, max_size=40
        )
    )
    table = pd.DataFrame(rows, columns=["hue", "x", "initialisation", "y"]).assign(run="r", varied="")
    for error in ("interval", "deviation"):
        figure = OwnFigure(name="f", x="x", y="y", hue="hue", error=error)
        means = OwnDisplay.of(figure, table, "").derived["means"].set_index(["hue", "x"])
        for key, group in table.groupby(["hue", "x"]):
            per_seed = group.groupby("initialisation")["y"].mean().to_numpy()
            found = means.loc[[key]].iloc[0]
            assert found["mean"] == pytest.approx(per_seed.mean())
            assert found["initialisations"] == len(per_seed)
            if len(per_seed) == 1:
                assert np.isnan(found["low"])
                continue
            reach = per_seed.std(ddof=1)
            if error == "interval":
                reach *= stats.t.ppf(0.975, len(per_seed) - 1) / np.sqrt(len(per_seed))
            assert found["high"] - found["mean"] == pytest.approx(reach, abs=1e-9)
            assert found["mean"] - found["low"] == pytest.approx(reach, abs=1e-9)


def test_names_are_in_their_natural_order() -> None:
    names = ["dcnv2-16", "dcnv2-4x10", "dcnv2-4", "dcnv2-4x2"]
    table = pd.DataFrame({"name": names, "y": range(4), "initialisation": 0, "run": names, "varied": ""})
    display = OwnDisplay.of(OwnFigure(name="f", x="name", y="y"), table, "").plot()
    shown = [label.get_text() for label in display.axes_[0].get_xticklabels()]
    assert shown == ["dcnv2-4", "dcnv2-4x2", "dcnv2-4x10", "dcnv2-16"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'f'\nx = 'sets'", "the figure 'f' has no y"),
        ("name = 'f'\nx = 'sets'\ny = 'test_auk'", "uses 'test_auk', which no run has; did you mean test_auc?"),
        ("name = 'f'\nx = 'sets'\ny = 'test_auc'\ncolour = 'red'", "a figure has no key 'colour'"),
        ("name = 'f'\nx = 'sets'\ny = 'test_auc'\nhu = 'model'", "did you mean hue?"),
        ("name = 'f'\nx = 'sets'\ny = 'sets'", "x, y, hue and panel of f must differ"),
        ("name = 'F/../x'\nx = 'sets'\ny = 'test_auc'", "the name of a figure must begin with a letter"),
        ("name = 'f'\nx = 'sets'\ny = 'test_auc'\nerror = 'bars'", "error must be"),
        ("name = 'f'\nx = 'sets'\ny = 'test_auc'\nwhere = 3", "where must be a table"),
        ("name = 'f'\nx = 'sets'\ny = 'test_auc'\nwhere = { setz = 1 }", "uses 'setz', which no run has"),
        ("name = 'f'\nx = 'sets'\ny = 'train_loss'", "uses 'train_loss', which no run has"),
        (
            "name = 'f'\nx = 'sets'\ny = 'test_auc'\n[[figures]]\nname = 'f'\nx = 'sets'\ny = 'test_auc'",
            "two figures",
        ),
    ],
)
def test_bad_figures_are_refused_before_training(
    text: str, said: str, small_data: Path, tmp_path: Path, collapse: Collapse
) -> None:
    (tmp_path / "grid.toml").write_text(f"data = '{small_data}'\nepochs = 1\n[[figures]]\n{text}\n")
    code, _, err = collapse("sweep", "--config", tmp_path / "grid.toml", "--out", tmp_path / "study")
    assert (code, said in err) == (2, True), err
    assert "grid.toml" in err
    assert not (tmp_path / "study").exists()


def test_a_figure_may_not_have_the_name_of_an_item(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text("[[figures]]\nname = 'findings'\nx = 'sets'\ny = 'test_auc'\n")
    with pytest.raises(CollapseError, match="has the name of an item of the paper"):
        own_items(tmp_path, tmp_path / "grid.toml")
    (tmp_path / "grid.toml").write_text("figures = 3\n")
    with pytest.raises(CollapseError, match=r"below the heading \[\[figures\]\]"):
        read_figures(tmp_path / "grid.toml")


MODEL = """
from collapse import Interaction, MLPConfig


class Mean(Interaction):
    reference = "an example"
    config_class = MLPConfig

    def __init__(self, n_fields, embedding_size, config):
        super().__init__(n_fields, embedding_size, config)
        self.widths = {"h": embedding_size}

    def forward(self, e_BNK):
        return {"h": e_BNK.mean(1)}
"""


@pytest.mark.slow
def test_a_users_model_in_a_grid(
    small_data: Path, tmp_path: Path, collapse: Collapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is imported only if the command line allows it, and its runs are read without it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "mean_model.py").write_text(MODEL)
    (tmp_path / "grid.toml").write_text(
        f"data = '{small_data}'\nepochs = 1\n[model]\nmodel = ['mean_model:Mean-4,depth=2', 'fm-4']\n"
        "[[figures]]\nname = 'auc'\nx = 'model'\ny = 'test_auc'\n"
    )
    with pytest.raises(CollapseError, match="only if you say so: --allow-model mean_model:Mean"):
        read_grid(tmp_path / "grid.toml")
    assert "mean_model" not in sys.modules
    words = ("sweep", "--config", "grid.toml", "--out", "study", "--allow-model", "mean_model:Mean")
    for _ in range(2):
        code, out, err = collapse(*words)
        assert code == 0, err
    assert "2 runs, 0 of them" in out
    (tmp_path / "mean_model.py").unlink()
    sys.modules.pop("mean_model", None)
    code, _, err = collapse("figures", "study", "--figure", "all")
    assert code == 0, err
    table = pd.read_csv(tmp_path / "study" / "figures" / "figure-auc.csv")
    assert sorted(table["model"]) == ["fm", "mean_model:Mean"]
    assert sorted(Study("study").results["name"]) == ["fm-4", "mean_model:Mean-4,depth=2"]
    assert "mean_model" not in sys.modules
